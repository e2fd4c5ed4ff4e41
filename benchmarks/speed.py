# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Time and memory of training steps, inference and sampling, ours beside what others published.

    python -m benchmarks speed --out RESULTS [--puca DIR] [--nafnet DIR] [--lgbpn DIR] [--methods 'PUCA*' sampling]

Folders are clones of the published code (see benchmarks/public_networks.py and benchmarks/public_lgbpn.py), which is
run with the same weights; without them, ours are timed alone. Sampling is ours beside MONAI's and a plain loop. One
JSON line per task is appended to RESULTS/speed.jsonl; a rerun does what is missing. Each time is the least of some
repeats, on the clock and of the processor.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.quality.table import markdown_table
from benchmarks.rows import append_row, hardware, read_rows, versions

__all__ = ["main", "table"]

Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, print a Markdown table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks speed", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for speed.jsonl")
    parser.add_argument("--puca", type=Path, help="a clone of github.com/HyemiEsme/PUCA")
    parser.add_argument("--nafnet", type=Path, help="a clone of github.com/megvii-research/NAFNet")
    parser.add_argument("--lgbpn", type=Path, help="a clone of github.com/Wang-XIaoDingdd/LGBPN")
    parser.add_argument("--methods", nargs="+", default=["*"], help="PUCA, NAFNet, LG-BPN, sampling; names or patterns")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="numbers of threads")
    parser.add_argument("--channels", type=int, default=32, help="features of PUCA and NAFNet")
    parser.add_argument("--patch", type=int, default=128, help="side of the two patches of a training step")
    parser.add_argument("--size", type=int, default=256, help="side of the slice that is sampled")
    parser.add_argument("--steps", type=int, default=10, help="evaluations of the network a draw")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is timed")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "speed.jsonl"
    done = {_key(row) for row in read_rows(path, _key)}
    about = {"versions": versions(), "hardware": hardware()}
    for threads in options.threads:
        for name, task, work in _tasks(options):
            job = {"name": name, "task": task, "threads": threads}
            if any(fnmatch.fnmatch(name, pattern) for pattern in options.methods) and _key(job) not in done:
                for row in work(threads):
                    append_row(path, job | row | about)
    print(table(read_rows(path, lambda row: (*_key(row), row["who"]))))
    return 0


def table(rows: list[Row]) -> str:
    """Rows as Markdown: beside the others, how many times less ours take."""
    ours = {_key(row): row for row in rows if row["who"] == "ours"}
    head = ["what", "task", "threads", "whose", "CPU s", "clock s", "peak MiB", "times ours: CPU, clock"]
    body = []
    for row in rows:
        own = ours.get(_key(row))
        times = "-"
        if own is not None and own is not row:
            times = f"{row['cpu'] / own['cpu']:.2f}, {row['wall'] / own['wall']:.2f}"
        peak = "-" if row.get("peak_mb") is None else f"{row['peak_mb']:.0f}"
        cells = [row["name"], row["task"], str(row["threads"]), row["who"]]
        body.append([*cells, f"{row['cpu']:.3f}", f"{row['wall']:.3f}", peak, times])
    return "\n".join(markdown_table(head, body))


def _key(row: Row) -> tuple[Any, ...]:
    return row["name"], row["task"], row["threads"]


def _tasks(options: argparse.Namespace) -> Iterator[tuple[str, str, Callable[[int], Iterator[Row]]]]:
    for name, folder in (("PUCA", options.puca), ("NAFNet", options.nafnet)):
        for task in ("training step", "inference"):
            yield name, task, partial(_network, options, name, folder, task)
    for task in ("training step", "inference"):
        yield "LG-BPN", task, partial(_lgbpn, options, task)
    yield "sampling", f"{options.steps} steps", partial(_sampling, options)


def _network(options: argparse.Namespace, name: str, folder: Path | None, task: str, threads: int) -> Iterator[Row]:
    import torch

    from benchmarks import public_networks as public
    from monai_diffdenoise.networks import PUCA, NAFNet

    if folder is None:
        kinds: dict[str, Callable[..., Any]] = {"PUCA": PUCA, "NAFNet": NAFNet}
        networks = {"ours": kinds[name](channels=options.channels)}
    else:
        networks = public._networks(name, folder, options.channels)
    works = {who: public._work(network, task, options.patch) for who, network in networks.items()}
    torch.set_num_threads(threads)
    for who, (wall, cpu) in public.seconds(works, options.repeats).items():
        peak = public.peak_memory(name, who, folder, options.channels, task, options.patch) if folder else None
        yield {"who": who, "cpu": cpu, "wall": wall, "peak_mb": peak, "channels": options.channels}


def _lgbpn(options: argparse.Namespace, task: str, threads: int) -> Iterator[Row]:
    if options.lgbpn is None:
        return
    for which, who in (("strict", "ours"), ("pooled", "ours, as published"), ("public", "published")):
        command = [sys.executable, "-m", "benchmarks.public_lgbpn", "--lgbpn", str(options.lgbpn)]
        command += ["--threads", str(threads), "--repeats", str(options.repeats)]
        command += ["--job", which, "step" if task == "training step" else task]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        yield {"who": who, "cpu": found["cpu"], "wall": found["clock"], "peak_mb": found["MB"]}


def _sampling(options: argparse.Namespace, threads: int) -> Iterator[Row]:
    import torch

    from benchmarks.diffusion_speed import samplers

    torch.set_num_threads(threads)
    for name, sample in samplers(options.size, options.steps, torch.device("cpu")).items():
        wall = cpu = math.inf
        for _ in range(options.repeats):
            clock, processor = time.perf_counter(), time.process_time()
            sample()
            wall, cpu = min(wall, time.perf_counter() - clock), min(cpu, time.process_time() - processor)
        yield {"who": "ours" if name.startswith("SRDS") else name, "cpu": cpu, "wall": wall, "size": options.size}


if __name__ == "__main__":
    raise SystemExit(main())

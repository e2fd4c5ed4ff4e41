# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Quality of every method on every case, in one command.

    python -m benchmarks quality --data ../shared/data --out RESULTS [--cases 'B_*'] [--methods noisy nlm]

One JSON line per case, method and seed is appended to RESULTS/rows.jsonl; a rerun does what is missing. Every run is a
process of its own with one thread, so that its CPU time and peak memory are its own, too. Networks train for
``--seconds`` of CPU time. The clean or repeated images are used for the scores alone. Needs the extra ``bench``.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.quality.table import markdown
from benchmarks.rows import append_row, machine, peak_mb, read_rows, reset_peak, run_worker

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, print and write the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks quality", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with MANIFEST.json and the scans")
    parser.add_argument("--out", type=Path, required=True, help="folder for rows.jsonl and table.md")
    parser.add_argument("--cases", nargs="+", default=["*"], help="names or patterns, such as 'A_*'")
    parser.add_argument("--methods", nargs="+", default=["*"], help="names or patterns of files in quality/methods")
    parser.add_argument("--seeds", type=int, default=1, help="seeds 0 to N - 1")
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds that a network trains")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds that one run may take")
    parser.add_argument("--worker", nargs=3, metavar=("CASE", "METHOD", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        case, method, seed = options.worker
        print("\n" + json.dumps(_work(options.data, case, method, int(seed), options.seconds)))
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "rows.jsonl"
    failed = 0
    for job in _jobs(options):
        if _key(job) in {_key(row) for row in read_rows(path, _key) if "error" not in row}:
            continue
        row = job | _run(job, options)
        append_row(path, row)
        failed += "error" in row
        print(_line(row), file=sys.stderr, flush=True)
    text = markdown(read_rows(path, _key), machine())
    (options.out / "table.md").write_text(text)
    print(text)
    return 1 if failed else 0


def _jobs(options: argparse.Namespace) -> list[dict[str, Any]]:
    code = "from benchmarks.quality.cases import CASES; from benchmarks.quality.methods import METHODS; import json;"
    code += "print(json.dumps([list(CASES), METHODS]))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    cases, methods = json.loads(found.splitlines()[-1])
    return [
        {"case": case, "method": method, "seed": seed, "seconds": options.seconds}
        for seed in range(options.seeds)
        for case in cases
        if any(fnmatch.fnmatch(case, pattern) for pattern in options.cases)
        for method in methods
        if any(fnmatch.fnmatch(method, pattern) for pattern in options.methods)
    ]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["case"], row["method"], row["seed"], row["seconds"]


def _run(job: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    arguments = ["-m", "benchmarks", "quality", "--data", str(options.data), "--out", str(options.out)]
    arguments += ["--seconds", str(options.seconds), "--worker", job["case"], job["method"], str(job["seed"])]
    return run_worker(arguments, options.timeout, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")


def _work(data: Path, name: str, method: str, seed: int, seconds: float) -> dict[str, Any]:
    """One run, in a process of its own."""
    import torch

    from benchmarks.methods import score
    from benchmarks.quality.cases import CASES
    from benchmarks.quality.methods import MissingPeerError, load_method
    from monai_diffdenoise.errors import InputError

    torch.set_num_threads(1)
    case = CASES[name](data, seed)
    module = load_method(method)
    reset_peak()
    clock, cpu = time.perf_counter(), time.process_time()
    try:
        outputs = module.run(case, seconds, seed)
    except (InputError, MissingPeerError) as refusal:
        return {"label": module.LABEL, "refused": str(refusal)}
    # Before scoring, which needs memory of its own.
    cost = {"wall": round(time.perf_counter() - clock, 2), "cpu": round(time.process_time() - cpu, 2)}
    cost["peak_mb"] = peak_mb()
    scores = {}
    for variant, output in outputs.items():
        found = score(case, output)
        scores[variant] = {key: None if value == math.inf else value for key, value in found.items()}
    return {"label": module.LABEL, "scores": scores, **cost, "torch": torch.__version__}


def _line(row: dict[str, Any]) -> str:
    if "scores" not in row:
        what = row.get("error") or row.get("refused")
    else:
        what = ", ".join(f"{name or 'plain'} {found['psnr']:.2f} dB" for name, found in row["scores"].items())
        what += f", {row['cpu']:.0f} s"
    return f"{row['case']} {row['method']} seed {row['seed']}: {what}"

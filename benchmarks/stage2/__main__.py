# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Does conditional diffusion with symmetric sampling beat what is cheaper and knows the same?

    python -m benchmarks.stage2 --data ../shared/data --out RESULTS [--cases 'toy*'] [--variants 'SRDS*'] [--seeds 3]

Every row is a process of its own with one thread, appended to RESULTS/rows.jsonl; a rerun does what is missing. All
second networks are one and the same network, trained for the same steps of the same batches, so for the same time on
the same machine; "first network, longer" is the first network alone, trained for the time of both. The clean template
is used for the scores alone. Writes RESULTS/tables.md and, with --figures FOLDER, the figures of the docs.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.rows import append_row, read_rows
from benchmarks.stage2.names import ALONE, CASES
from benchmarks.stage2.variants import VARIANTS

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, write tables and figures; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stage2", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the ICBM152 template of class B")
    parser.add_argument("--out", type=Path, required=True, help="folder for rows.jsonl, tables.md and weights")
    parser.add_argument("--cases", nargs="+", default=["*"], help="names or patterns, such as 'toy gaussian*'")
    parser.add_argument("--variants", nargs="+", default=["*"], help="names or patterns, such as 'regression*'")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of noise and training")
    parser.add_argument("--first-steps", type=int, default=400, help="training of the first network")
    parser.add_argument("--steps", type=int, default=300, help="training of the second network")
    parser.add_argument("--figures", type=Path, help="folder for the figures; needs matplotlib")
    parser.add_argument("--worker", nargs=3, metavar=("CASE", "VARIANT", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        from benchmarks.stage2.work import work

        case, variant, seed = options.worker
        row = work(options.data, options.out, case, variant, int(seed), options.first_steps, options.steps)
        print("\n" + json.dumps(row))
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    path, failed = options.out / "rows.jsonl", 0
    for job in _jobs(options):
        if _key(job) in {_key(row) for row in read_rows(path, _key) if "error" not in row}:
            continue
        row = job | _run(job, options)
        append_row(path, row)
        failed += "error" in row
        print(f"{job['case']}, {job['variant']}, seed {job['seed']}: {_line(row)}", file=sys.stderr, flush=True)
    from benchmarks.stage2.tables import tables

    rows = [row for row in read_rows(path, _key) if "error" not in row]
    (options.out / "tables.md").write_text(tables(rows))
    if options.figures:
        from benchmarks.stage2.figures import figures

        figures(rows, options.figures)
    return 1 if failed else 0


def _jobs(options: argparse.Namespace) -> list[dict[str, Any]]:
    return [
        {"case": case, "variant": variant, "seed": seed, "first": options.first_steps, "second": options.steps}
        for seed in options.seeds
        for variant in (*ALONE, *VARIANTS)
        if any(fnmatch.fnmatch(variant, pattern) for pattern in options.variants)
        for case in CASES
        if any(fnmatch.fnmatch(case, pattern) for pattern in options.cases)
    ]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["case"], row["variant"], row["seed"], row["first"], row["second"]


def _run(job: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.stage2", "--data", str(options.data), "--out", str(options.out)]
    command += ["--first-steps", str(options.first_steps), "--steps", str(options.steps)]
    command += ["--worker", job["case"], job["variant"], str(job["seed"])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    return json.loads(lines[-1])


def _line(row: dict[str, Any]) -> str:
    if "error" in row:
        return row["error"]
    ways = {way or "plain": f"{found['psnr']:.2f}" for way, found in row["scores"]["seen"].items()}
    return json.dumps(ways).replace('"', "")


if __name__ == "__main__":
    sys.exit(main())

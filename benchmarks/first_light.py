# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""First light: noisy, best Gaussian, non-local means and ours, on real and on known noise.

    python -m benchmarks.first_light --data ../shared/data --out RESULTS

One JSON line per case, method, preset and seed is appended to RESULTS/rows.jsonl; a rerun does what is missing. Every
run is a process of its own, so that time and peak memory are its own, too. Needs the extra ``bench``.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.rows import append_row, machine, peak_mb, read_rows, reset_peak, run_worker
from benchmarks.tables import METHODS, summary

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_light", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with MANIFEST.json and the scans")
    parser.add_argument("--out", type=Path, required=True, help="folder for rows.jsonl and table.md")
    parser.add_argument("--cases", nargs="+", default=["*"], help="names or patterns, such as 'A_*'")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--preset", default="balanced", help="preset of ours")
    parser.add_argument("--seeds", type=int, default=1, help="seeds 0 to N - 1: noise of class B, training of ours")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds that one run may take")
    parser.add_argument("--list", action="store_true", help="print the names of the chosen cases and stop")
    parser.add_argument("--worker", nargs=3, metavar=("CASE", "METHOD", "SEED"), help=argparse.SUPPRESS)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, print and write the tables; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.worker:
        case, method, seed = options.worker
        print("\n" + json.dumps(_work(options.data, case, method, int(seed), options.preset)))
        return 0
    chosen = [name for name in _case_names() if any(fnmatch.fnmatch(name, pattern) for pattern in options.cases)]
    if options.list or not chosen:
        print("\n".join(chosen) or f"no case is named {' '.join(options.cases)}")
        return 0 if chosen else 2
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "rows.jsonl"
    done = {_key(row) for row in read_rows(path, _key) if "error" not in row}
    failed = 0
    for job in _jobs(chosen, options):
        if _key(job) in done:
            continue
        row = job | _run(job, options)
        append_row(path, row)
        failed += "error" in row
        print(_line(row), file=sys.stderr, flush=True)
    text = summary([row for row in read_rows(path, _key) if row["case"] in chosen], machine())
    (options.out / "table.md").write_text(text)
    print(text)
    return 1 if failed else 0


def _case_names() -> list[str]:
    """Names only, from another process: this one stays small, and its children start from it."""
    code = "from benchmarks.cases import CASES; print(*CASES, sep='\\n')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def _jobs(cases: list[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    jobs = []
    for case in cases:
        for method in options.methods:
            # Real noise comes once; only a method that draws numbers itself has more than one result on it.
            seeds = options.seeds if method == "ours" or case.startswith("B_") else 1
            preset = options.preset if method == "ours" else None
            jobs += [{"case": case, "method": method, "preset": preset, "seed": seed} for seed in range(seeds)]
    return jobs


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["case"], row["method"], row["preset"], row["seed"]


def _run(job: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    arguments = ["-m", "benchmarks.first_light", "--data", str(options.data), "--out", str(options.out)]
    arguments += ["--preset", options.preset, "--worker", job["case"], job["method"], str(job["seed"])]
    return run_worker(arguments, options.timeout)


def _work(data: Path, name: str, method: str, seed: int, preset: str) -> dict[str, Any]:
    """One run, in a process of its own."""
    from benchmarks.cases import load_case
    from benchmarks.methods import best_width, run_method, score
    from monai_diffdenoise.errors import InputError

    case = load_case(name, data, seed)
    width = best_width(case) if method == "gauss" else 0.0
    reset_peak()
    before = peak_mb()
    try:
        output, seconds, more = run_method(method, case, preset, seed, width)
    except InputError as refusal:
        return {"refused": str(refusal)}
    # Before scoring, which needs memory of its own.
    cost = {"seconds": round(seconds, 3), "peak_mb": peak_mb(), "before_mb": before}
    row = {**score(case, output), **cost, "listed": case.listed.get(method), **more}
    return {name: None if value == math.inf else value for name, value in row.items()}


def _line(row: dict[str, Any]) -> str:
    what = row.get("error") or row.get("refused") or f"{row['psnr']} dB, {row['seconds']} s"
    return f"{row['case']} {row['method']} {row['preset'] or ''} seed {row['seed']}: {what}"


if __name__ == "__main__":
    sys.exit(main())

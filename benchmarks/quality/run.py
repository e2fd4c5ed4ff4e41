# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Quality of every method on every case, in one command.

    python -m benchmarks quality [--data ../shared/data] --out RESULTS [--cases 'B_*'] [--methods noisy nlm]

One JSON line per case, method and seed is appended to RESULTS/rows.jsonl; a rerun does what is missing. Every run is a
process of its own with one thread, so that its CPU time and peak memory are its own, too. Networks train for
``--seconds`` of CPU time. The clean or repeated images are used for the scores alone. Without ``--data``, the cases are
phantoms. Needs the extra ``bench``; peers that clash with it need ``python -m benchmarks environments --make``.
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

from benchmarks.quality.report import row_key, write_report
from benchmarks.rows import append_row, hardware, peak_mb, read_rows, reset_peak, run_worker, versions

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, write tables and plots, print the long table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks quality", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with MANIFEST.json and the scans; phantoms alone without")
    parser.add_argument("--out", type=Path, required=True, help="folder for rows.jsonl, tables and plots")
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
        if row_key(job) in {row_key(row) for row in read_rows(path, row_key) if _settled(row)}:
            continue
        row = job | _run(job, options)
        append_row(path, row)
        failed += "error" in row
        print(_line(row), file=sys.stderr, flush=True)
    print(write_report(read_rows(path, row_key), options.out))
    return 1 if failed else 0


def _settled(row: dict[str, Any]) -> bool:
    """Whether a rerun would end the same: not after an error, nor for a peer that may have been installed since."""
    refused = row.get("refused", "")
    return "error" not in row and "(pip install" not in refused and "--make" not in refused


def _jobs(options: argparse.Namespace) -> list[dict[str, Any]]:
    code = "from benchmarks.quality.cases import CASES, needs_data; from benchmarks.quality.methods import METHODS;"
    code += f"cases = [case for case in CASES if {options.data is not None} or not needs_data(case)];"
    code += "import json; print(json.dumps([cases, METHODS]))"
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


def _run(job: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    arguments = ["-m", "benchmarks", "quality", "--out", str(options.out)]
    arguments += ["--data", str(options.data)] if options.data is not None else []
    arguments += ["--seconds", str(options.seconds), "--worker", job["case"], job["method"], str(job["seed"])]
    return run_worker(arguments, options.timeout, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")


def _work(data: Path | None, name: str, method: str, seed: int, seconds: float) -> dict[str, Any]:
    """One run, in a process of its own."""
    import torch

    from benchmarks.methods import score
    from benchmarks.quality.cases import CASES
    from benchmarks.quality.cost import COST
    from benchmarks.quality.methods import MissingPeerError, load_method
    from benchmarks.quality.residual import residual_scores
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
    spent = time.process_time() - cpu + COST.other_cpu
    training = COST.stages.get("training", 0.0)
    cost = {
        "wall": round(time.perf_counter() - clock - COST.startup, 2),
        "cpu": round(spent, 2),
        "training_cpu": round(training, 2),
        # what no stage counts is inference where nothing is trained
        "inference_cpu": round(COST.stages.get("inference", spent), 2),
        "peak_mb": max(peak_mb(), COST.other_peak_mb),
    }
    scores = {}
    for variant, output in outputs.items():
        found = score(case, output) | residual_scores(case, output)
        scores[variant] = {key: None if value == math.inf else value for key, value in found.items()}
    found_versions = versions(getattr(module, "PACKAGES", ())) | COST.versions
    about = {"torch": torch.__version__, "versions": found_versions, "hardware": hardware()}
    return {"label": module.LABEL, "scores": scores, **cost, **about}


def _line(row: dict[str, Any]) -> str:
    if "scores" not in row:
        what = row.get("error") or row.get("refused")
    else:
        scores = row["scores"].items()
        # no error at all is no number in JSON
        what = ", ".join(f"{name or 'plain'} {found['psnr'] or math.inf:.2f} dB" for name, found in scores)
        what += f", {row['cpu']:.0f} s"
    return f"{row['case']} {row['method']} seed {row['seed']}: {what}"

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Muon beside AdamW: the same method, steps, volume and seed, each at several learning rates.

    python -m benchmarks.optimizers --data DATA --out OUT [--cases 'B_*'] [--methods bsn] [--set channels=16]

One JSON line a training is appended to OUT/optimizers.jsonl; a rerun does what is missing. One thread. The clean volume
is used for PSNR alone.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import CASES as FIRST
from benchmarks.cases import Case
from benchmarks.methods import score
from benchmarks.quality.cases import CASES as QUALITY
from benchmarks.rows import append_row, read_rows
from monai_diffdenoise import denoise

__all__ = ["main"]

_CASES: dict[str, Callable[..., Case]] = {**FIRST, **QUALITY}
_DEFAULT = ["B_icbm152_crop_gaussian_0.1", "B_icbm152_crop_correlated_0.1", "B_ct_mid122x101x64_gaussian_0.1"]


def main() -> int:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with MANIFEST.json and the scans")
    parser.add_argument("--out", type=Path, required=True, help="folder for optimizers.jsonl")
    parser.add_argument("--cases", nargs="+", default=_DEFAULT, help="names or patterns")
    parser.add_argument("--methods", nargs="+", default=["bsn", "ns-n2n"])
    parser.add_argument("--optimizers", nargs="+", default=["adamw", "muon"])
    parser.add_argument("--rates", nargs="+", type=float, default=[2e-3, 5e-3], help="peak learning rates")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--seeds", type=int, default=1, help="seeds 0 to N - 1")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=NUMBER", help="further settings")
    options = parser.parse_args()
    torch.set_num_threads(1)
    further = {name: json.loads(value) for name, _, value in (one.partition("=") for one in options.set)}
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "optimizers.jsonl"
    jobs = [
        {"case": case, "seed": seed, "method": method, "preset": options.preset, "optimizer": optimizer}
        | further
        | {"learning_rate": rate}
        for case in _CASES
        if any(fnmatch.fnmatch(case, pattern) for pattern in options.cases)
        for method in options.methods
        for optimizer in options.optimizers
        for rate in options.rates
        for seed in range(options.seeds)
    ]
    for job in jobs:
        if job in [row["job"] for row in read_rows(path, _key)]:
            continue
        row = _run(job, options.data)
        append_row(path, row)
        print(row["job"], row["scores"]["psnr"], file=sys.stderr, flush=True)
    print("| case | method | optimizer | learning rate | seed | steps | CPU s | PSNR, dB |\n" + "|---" * 8 + "|")
    for row in read_rows(path, _key):
        if (job := row["job"]) in jobs:
            cells = [job["case"], job["method"], job["optimizer"], f"{job['learning_rate']:g}", str(job["seed"])]
            print(
                "| " + " | ".join([*cells, str(row["steps"]), f"{row['cpu']:.0f}", f"{row['scores']['psnr']:.2f}"]), "|"
            )
    return 0


def _key(row: dict[str, Any]) -> tuple[str]:
    return (json.dumps(row["job"], sort_keys=True),)


def _run(job: dict[str, Any], data: Path) -> dict[str, Any]:
    settings = {name: value for name, value in job.items() if name != "case"}
    case = _CASES[job["case"]](data, job["seed"])
    start = time.process_time()
    result = denoise(case.volume, device="cpu", **settings)
    cpu = time.process_time() - start
    scores = result.report["scores"]
    return {
        "job": job,
        "scores": score(case, result.image.as_tensor()),
        "returned": scores["choice"]["returned"],
        "steps": scores["iterations"],
        "cpu": round(cpu, 1),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    sys.exit(main())

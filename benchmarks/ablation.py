# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What single settings of NS-N2N are worth, at equal steps.

    python -m benchmarks ablation --out RESULTS [--data ../shared/data] [--methods default 'published*']

Runs ``denoise`` with the preset ``fast`` on the built-in phantom and, with ``--data``, on the central 96 x 96 x 40
voxels of the ICBM152 template, with known noise added. The clean images are used for the scores alone. PSNR, bias and
noise gain are told where the clean image is above 0.15, with a data range of 1. One JSON line per run is appended to
RESULTS/ablation.jsonl; a rerun does what is missing.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.quality.table import markdown_table
from benchmarks.rows import append_row, hardware, peak_mb, read_rows, reset_peak, versions

__all__ = ["VARIANTS", "main", "table"]

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "published loss weights (RC 0.5, IC 1.0)": {"lambda_rc": 0.5, "lambda_ic": 1.0},
    "RC 0.5 alone": {"lambda_rc": 0.5},
    "IC 1.0 alone": {"lambda_ic": 1.0},
    "published tau 0.015": {"tau": 0.015},
    "no posterior fusion": {"fusion": False},
    "slice-blind pairs": {"pairing": "slice-blind"},
}

_KINDS = (("gaussian", 0.05), ("gaussian", 0.1), ("correlated", 0.1))


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, print a Markdown table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ablation", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with the class B volumes; the phantom alone without")
    parser.add_argument("--out", type=Path, required=True, help="folder for ablation.jsonl")
    parser.add_argument("--image", choices=["ICBM152", "phantom"], help="one of the two; default both")
    parser.add_argument("--methods", nargs="+", default=["*"], help="names or patterns of variants")
    parser.add_argument("--seeds", type=int, default=1, help="seeds 0 to N - 1, of noise and training")
    options = parser.parse_args(arguments)
    if options.image == "ICBM152" and options.data is None:
        parser.error("ICBM152 is in the folder of the data: give --data")
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "ablation.jsonl"
    done = {_key(row) for row in read_rows(path, _key)}
    images = [name for name in ("ICBM152", "phantom") if options.image in (None, name)]
    for image in images if options.data is not None else ["phantom"]:
        for kind, sigma in _KINDS:
            for name in VARIANTS:
                for seed in range(options.seeds):
                    job = {"image": image, "kind": kind, "sigma": sigma, "variant": name, "seed": seed}
                    if any(fnmatch.fnmatch(name, pattern) for pattern in options.methods) and _key(job) not in done:
                        append_row(path, job | _run(job, options.data))
    print(table(read_rows(path, _key)))
    return 0


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as Markdown."""
    head = ["image", "noise", "setting", "PSNR before", "PSNR after", "bias", "noise gain", "held-out pair error", "s"]
    body = [
        [
            row["image"],
            f"{row['kind']} {row['sigma']:g}",
            row["variant"],
            f"{row['before']:.2f}",
            f"{row['psnr']:.2f}",
            f"{row['bias']:+.4f}",
            f"{row['noise_gain']:.3f}",
            f"{row['pair_error']:.5f}",
            f"{row['cpu']:.0f}",
        ]
        for row in rows
    ]
    return "\n".join(markdown_table(head, body))


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["image"], row["kind"], row["sigma"], row["variant"], row["seed"]


def _run(job: dict[str, Any], data: Path | None) -> dict[str, Any]:
    import torch

    from benchmarks.networks import icbm_crop
    from monai_diffdenoise import denoise
    from monai_diffdenoise.data.phantom import add_noise, make_phantom
    from monai_diffdenoise.metrics import bias, noise_gain, psnr

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    clean = make_phantom() if job["image"] == "phantom" or data is None else icbm_crop(data)
    truth, mask = clean[None], clean[None] > 0.15
    noisy = add_noise(clean, job["kind"], job["sigma"], seed=job["seed"] + 1)[None]
    reset_peak()
    clock, cpu = time.perf_counter(), time.process_time()
    result = denoise(noisy, method="ns-n2n", preset="fast", seed=job["seed"], **VARIANTS[job["variant"]])
    cost = {"wall": time.perf_counter() - clock, "cpu": time.process_time() - cpu, "peak_mb": peak_mb()}
    output = result.image.as_tensor()
    return {
        "before": psnr(noisy, truth, 1.0, mask),
        "psnr": psnr(output, truth, 1.0, mask),
        "bias": bias(output, truth, 1.0, mask),
        "noise_gain": noise_gain(output, truth, noisy - truth, mask),
        "pair_error": result.report["scores"]["pair_error"],
        **cost,
        "versions": versions(),
        "hardware": hardware(),
    }


if __name__ == "__main__":
    raise SystemExit(main())

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What single settings of NS-N2N are worth, at equal steps.

    python -m benchmarks.ablation --data ../shared/data

Runs ``denoise`` with the preset ``fast`` on the central 96 x 96 x 40 voxels of the ICBM152 template and on the built-in
phantom, with known noise added. The clean images are used for the scores alone. PSNR, bias and noise gain are told
where the clean image is above 0.15, with a data range of 1.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.networks import icbm_crop
from monai_diffdenoise import denoise
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.metrics import bias, noise_gain, psnr

__all__ = ["main"]

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "published loss weights (RC 0.5, IC 1.0)": {"lambda_rc": 0.5, "lambda_ic": 1.0},
    "RC 0.5 alone": {"lambda_rc": 0.5},
    "IC 1.0 alone": {"lambda_ic": 1.0},
    "published tau 0.015": {"tau": 0.015},
    "no posterior fusion": {"fusion": False},
    "slice-blind pairs": {"pairing": "slice-blind"},
}

_KINDS: tuple[tuple[Literal["gaussian", "rician", "correlated"], float], ...] = (
    ("gaussian", 0.05),
    ("gaussian", 0.1),
    ("correlated", 0.1),
)


def main() -> None:
    """Print one Markdown row a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the class B volumes")
    parser.add_argument("--image", choices=["ICBM152", "phantom"], help="one of the two; default both")
    parser.add_argument("--only", default="", help="part of the variants' names to run")
    parser.add_argument("--seed", type=int, default=0, help="of noise and training")
    options = parser.parse_args()
    torch.set_num_threads(2)
    print("| image | noise | setting | PSNR before | PSNR after | bias | noise gain | held-out pair error | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for image, clean in (("ICBM152", icbm_crop(options.data)), ("phantom", make_phantom())):
        if options.image not in (None, image):
            continue
        truth, mask = clean[None], clean[None] > 0.15
        for kind, sigma in _KINDS:
            noisy = add_noise(clean, kind, sigma, seed=options.seed + 1)[None]
            before = psnr(noisy, truth, 1.0, mask)
            for name, changes in VARIANTS.items():
                if options.only not in name:
                    continue
                start = time.perf_counter()
                result = denoise(noisy, method="ns-n2n", preset="fast", seed=options.seed, **changes)
                seconds = time.perf_counter() - start
                output = result.image.as_tensor()
                print(
                    f"| {image} | {kind} {sigma:g} | {name} | {before:.2f} | {psnr(output, truth, 1.0, mask):.2f} | "
                    f"{bias(output, truth, 1.0, mask):+.4f} | {noise_gain(output, truth, noisy - truth, mask):.3f} | "
                    f"{result.report['scores']['pair_error']:.5f} | {seconds:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()

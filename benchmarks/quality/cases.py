# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The cases of the quality benchmark: the class B crop with many kinds of noise, and class A slices and volumes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import binary_erosion

from benchmarks.cases import CASES as _FIRST
from benchmarks.cases import ICBM_CROP, known_case, real_case

__all__ = ["CASES"]


def _body(folder: Path, reference: torch.Tensor) -> torch.Tensor:
    """Soft tissue and bone without the rim; the list of the data has another mask, so its PSNR is another."""
    return torch.from_numpy(binary_erosion(reference.numpy() > -300.0, np.ones((1, 3, 3, 1)), iterations=2))


_KINDS = ("gaussian", "poisson", "gamma", "correlated", "rician")

CASES = {
    f"B_icbm152_crop_{kind}_{level}": partial(known_case, kind=kind, strength=level, **ICBM_CROP)
    for kind in _KINDS
    for level in (0.05, 0.1)
}
"""Name to a function of (folder of the data, seed). Real noise is the same for every seed."""

CASES |= {name: case for name, case in _FIRST.items() if name.startswith("A_")}
CASES |= {
    f"A_ct_ldct_3mm_s{number}": partial(
        real_case,
        folder="A_ct_ldct_L506_3mm",
        noisy=f"s{number}_QD.nii.gz",
        reference=f"s{number}_FD.nii.gz",
        mask=_body,
    )
    for number in (88, 167)
}
CASES["A_ct_lcd_simulated"] = partial(
    real_case, folder="A_ct_lcd_simulated", noisy="noisy1.nii.gz", reference="mean2to10.nii.gz"
)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The cases of the quality benchmark: class B crop and phantom with many kinds of noise, class A slices and volumes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import binary_erosion

from benchmarks.cases import CASES as _FIRST
from benchmarks.cases import ICBM_CROP, Case, known_case, real_case
from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom

__all__ = ["CASES", "needs_data", "phantom_case"]


def _body(folder: Path, reference: torch.Tensor) -> torch.Tensor:
    """Soft tissue and bone without the rim; the list of the data has another mask, so its PSNR is another."""
    return torch.from_numpy(binary_erosion(reference.numpy() > -300.0, np.ones((1, 3, 3, 1)), iterations=2))


def needs_data(name: str) -> bool:
    """Whether a case reads the folder of the data."""
    return not name.startswith("P_")


def phantom_case(
    data: Path | None,
    seed: int,
    *,
    kind: str,
    strength: float,
    shape: tuple[int, int, int] = (96, 96, 40),
    series: int = 1,
) -> Case:
    """The phantom plus noise, for whoever has no scans; scored where it is above 0.15, with a range of 1.

    Args:
        data: not used.
        seed: for the noise; the phantom is always the same.
        kind: of the noise.
        strength: sigma as a share of the range.
        shape: voxels.
        series: volumes that another phantom weakens more and more, from b = 0 on, as in a diffusion series.
    """
    clean = make_phantom(shape)[None]
    if series > 1:
        fall, phases = make_phantom(shape, seed=1), torch.linspace(0.0, 6.0, series)[:, None, None, None]
        weights = (0.6 + 0.4 * torch.cos(phases + 3.0 * fall)) * (phases > 0)
        clean = clean * torch.exp(-weights * (0.4 + fall))
    noisy = add_noise(clean, kind, strength, seed)
    return Case(
        volume_from_array(noisy, np.eye(4), slice_axis=2),
        clean,
        (clean[:1] > 0.15).expand_as(clean),
        data_range=1.0,
        sigma=strength,
        noise=noisy - clean,
    )


_KINDS = ("gaussian", "poisson", "gamma", "correlated", "rician", "varying")

CASES: dict[str, Callable[..., Case]] = {
    f"B_icbm152_crop_{kind}_{level}": partial(known_case, kind=kind, strength=level, **ICBM_CROP)
    for kind in _KINDS
    for level in (0.05, 0.1)
}
"""Name to a function of (folder of the data, seed). Real noise is the same for every seed."""

_ICBM_SLICE = {**ICBM_CROP, "crop": (slice(10, 180), slice(20, 220), slice(90, 91))}

CASES |= {
    f"B_icbm152_slice_{kind}_{level}": partial(known_case, kind=kind, strength=level, **_ICBM_SLICE)
    for kind in _KINDS
    for level in (0.05, 0.1)
}

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

CASES |= {
    f"P_phantom_{kind}_{level}": partial(phantom_case, kind=kind, strength=level)
    for kind in _KINDS
    for level in (0.05, 0.1)
}
CASES["P_series_gaussian_0.05"] = partial(phantom_case, kind="gaussian", strength=0.05, shape=(64, 64, 16), series=16)

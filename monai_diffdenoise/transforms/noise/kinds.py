# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise models by name, their strength told by one number that means the same for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.chi_moments import chi_variance
from monai_diffdenoise.transforms.noise.correlated import GaussianKernel
from monai_diffdenoise.transforms.noise.gaussian import GaussianNoise
from monai_diffdenoise.transforms.noise.model import NoiseModel
from monai_diffdenoise.transforms.noise.poisson import PoissonGaussianNoise, PoissonNoise
from monai_diffdenoise.transforms.noise.rician import NoncentralChiNoise, RicianNoise
from monai_diffdenoise.transforms.noise.speckle import GammaNoise
from monai_diffdenoise.transforms.noise.spectra import FilteredBackprojection, ZeroFilled
from monai_diffdenoise.transforms.noise.varying import EdgeToCenter

__all__ = ["NOISE_KINDS", "noise_model"]

NOISE_KINDS = (
    "gaussian",
    "rician",
    "correlated",
    "poisson",
    "poisson-gaussian",
    "gamma",
    "noncentral-chi",
    "ct",
    "zero-filled",
    "varying",
)
"""What :func:`noise_model` knows."""


def noise_model(
    kind: str,
    level: float,
    *,
    mid: float = 0.5,
    axes: Sequence[int] | None = None,
    width: float = 0.8,
    coils: int = 4,
    apodization: str = "cosine",
    cutoff: float = 0.5,
    factors: Sequence[float] = (1.5, 1.5),
    ratio: float = 3.0,
) -> NoiseModel:
    """A noise model whose standard deviation is ``level`` where the signal is ``mid``.

    So kinds of one level are comparable on images from 0 to 1, and on others with ``mid`` set. "poisson-gaussian" has
    half of the variance from each part at ``mid``. "varying" has ``level`` as the root mean square over the image.
    For "rician" and "noncentral-chi", ``level`` is the standard deviation of the magnitude, which is less than that of
    the complex parts, ``sigma`` of the model.

    Args:
        kind: one of :data:`NOISE_KINDS`.
        level: in the units of the image, at least 0.
        mid: signal at which "rician", "poisson", "poisson-gaussian", "gamma" and "noncentral-chi" have that level,
            above 0.
        axes: "correlated", "ct", "zero-filled", "varying": the spatial axes of the plane; ``None`` for the first two.
        width: "correlated": standard deviation of the Gaussian kernel in voxels.
        coils: "noncentral-chi": their number.
        apodization: "ct": window of the ramp filter.
        cutoff: "ct": its end, in cycles per pixel.
        factors: "zero-filled": interpolation along each axis.
        ratio: "varying": level in the center by that at the edge.

    Raises:
        InputError: an unknown kind, or a number that cannot be.
    """
    if not (math.isfinite(level) and level >= 0.0 and math.isfinite(mid) and mid > 0.0):
        raise InputError(f"got a noise level of {level} at a signal of {mid}; expected level >= 0, signal > 0")
    plane: Any = None if axes is None else tuple(axes)
    makers: dict[str, Callable[[], NoiseModel]] = {
        "gaussian": partial(GaussianNoise, level),
        "rician": lambda: RicianNoise(_part_sigma(level, mid, 1)),
        "correlated": lambda: GaussianNoise(level, GaussianKernel(width, plane)),
        "poisson": partial(PoissonNoise, level**2 / mid),
        "poisson-gaussian": partial(PoissonGaussianNoise, level**2 / (2.0 * mid), level / math.sqrt(2.0)),
        "gamma": lambda: GammaNoise((mid / level) ** 2 if level else math.inf),
        "noncentral-chi": lambda: NoncentralChiNoise(_part_sigma(level, mid, coils), coils),
        "ct": lambda: GaussianNoise(level, FilteredBackprojection(apodization, cutoff, plane)),
        "zero-filled": lambda: GaussianNoise(level, ZeroFilled(tuple(factors), plane)),
        "varying": lambda: GaussianNoise(EdgeToCenter(level, ratio, plane)),
    }
    if kind not in makers:
        raise InputError(f"noise kind is {kind!r}: expected one of {', '.join(NOISE_KINDS)}")
    return makers[kind]()


@lru_cache(maxsize=64)
def _part_sigma(level: float, signal: float, coils: int) -> float:
    """Standard deviation of the complex parts that gives the magnitude the standard deviation ``level``."""
    if coils < 1:
        raise InputError(f"got noise of {coils} coils; expected a whole number of at least 1")
    # A magnitude has at least 0.65 of the standard deviation of a part, at most all of it.
    low, high = level, level / 0.65
    x = torch.tensor(signal, dtype=torch.float64)
    for _ in range(60):
        middle = 0.5 * (low + high)
        spread = float(chi_variance(x, torch.tensor(middle, dtype=torch.float64), coils).sqrt())
        low, high = (middle, high) if spread < level else (low, middle)
    return 0.5 * (low + high)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Posterior fusion as the plan asks for it: by what the noise is known to be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from monai_diffdenoise.analysis import NoiseFamily
from monai_diffdenoise.inferers import fuse_volume, fuse_volume_bands
from monai_diffdenoise.inferers.fusion import MARGIN
from monai_diffdenoise.pipeline.plan import Plan
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["fuse_channel"]


def fuse_channel(
    plan: Plan,
    noisy: torch.Tensor,
    denoised: torch.Tensor,
    weight: torch.Tensor | None,
    sigma: float,
    scaling: AffineScaling,
    out: torch.Tensor,
    share_out: torch.Tensor | None = None,
    progress: Callable[[int, int], None] | None = None,
    units: AffineScaling | None = None,
    brightest: float = math.inf,
) -> float:
    """Fuse one time point; see :func:`~monai_diffdenoise.inferers.fuse_volume` for the arguments.

    Where slices cannot be compared (``weight`` is None) and the noise was not stabilized, its strength follows the
    signal by the law that was measured.

    Args:
        plan: how the noise is correlated, its law, and how to fuse.
        noisy: (X, Y, Z).
        denoised: (X, Y, Z).
        weight: matched-region weight, or None.
        sigma: noise standard deviation in normalised units.
        scaling: from the units of ``noisy`` to normalised ones.
        out: where the result goes; it may be ``denoised``.
        share_out: where the share of what was put back goes.
        progress: called with (slices done, slices in all).
        units: from input units to those of ``noisy``, if they differ.
        brightest: in input units, up to which the law was measured: beyond, noise is taken to grow no further.

    Returns:
        the mean share that was put back.
    """
    variance_at, ceiling = None, math.inf
    # Where the level is certain the margin is for noise that is stronger in some places than the law says (speckle in
    # retina: 0.5 dB); where it is not, it is an upper bound, and to put too much back is the harmless side.
    certain = plan.noise is not None and bool(plan.noise["certain"])
    margin = MARGIN if certain else MARGIN * (1 - plan.noise_gain)
    variation = None if plan.noise is None else plan.noise["level_variation"]
    if weight is not None and variation is not None:
        # differences of slices hold structure too: no place is noisier than the noisiest that was found without it
        ceiling = variation["highest"] ** 2
    if weight is None and plan.stabilizer is None and plan.noise is not None:
        # an uncertain law is an upper bound; the run may know a lower one
        variance_at = _law(plan.noise["family"], units, ((plan.sigma or 0.0) / plan.noise["sigma"]) ** 2, brightest)
    images = noisy, denoised, weight, sigma, scaling, plan.axis, plan.distance, out, progress, margin, share_out
    if plan.fusion == "bands" and plan.noise is not None:
        autocorrelation = torch.tensor(plan.noise["in_plane"]["autocorrelation"])
        return fuse_volume_bands(*images, variance_at, ceiling, autocorrelation)[1]
    return fuse_volume(*images, variance_at, ceiling)[1]


def _law(
    family: dict[str, Any], units: AffineScaling | None, factor: float = 1.0, brightest: float = math.inf
) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Noise variance at a brightness, both in the units of the image; None where it is the same everywhere."""
    if family["name"] == "gaussian":
        return None
    law = NoiseFamily(**family)

    def variance(brightness: torch.Tensor) -> torch.Tensor:
        plain = brightness if units is None else units.invert(brightness)
        found = factor * torch.from_numpy(law.variance(plain.clamp(max=brightest)))
        return found if units is None else found / units.scale**2

    return variance

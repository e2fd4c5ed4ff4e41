# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Did denoising move the mean? Overall, and for dark and bright voxels on their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.arrays import Array, inside_mask, same_shape
from monai_diffdenoise.metrics.blocks import Estimate, block_sums, estimate, finite_or_none

__all__ = ["BinDrift", "MeanDrift", "block_mean", "mean_drift"]

_QUANTILE_VOXELS = 1_000_000


def _z(drift: Estimate) -> float:
    return drift.value / drift.standard_error if drift.standard_error > 0 else math.copysign(math.inf, drift.value)


@dataclass(frozen=True)
class BinDrift:
    """Mean of the residual where the image has a certain brightness.

    Args:
        low: lower limit of the brightness, in units of the image.
        high: upper limit.
        voxels: how many count.
        drift: mean of noisy minus denoised; negative where denoising made the image brighter.
    """

    low: float
    high: float
    voxels: int
    drift: Estimate

    @property
    def z(self) -> float:
        """Drift in standard errors."""
        return 0.0 if self.drift.value == 0 else _z(self.drift)


@dataclass(frozen=True)
class MeanDrift:
    """Mean of the residual.

    Args:
        drift: over all voxels that count.
        bins: in bins of brightness that hold about as many voxels each.
    """

    drift: Estimate
    bins: tuple[BinDrift, ...]

    @property
    def z(self) -> float:
        """Overall drift in standard errors."""
        return 0.0 if self.drift.value == 0 else _z(self.drift)

    @property
    def worst(self) -> BinDrift | None:
        """The bin whose drift is the most standard errors from 0."""
        return max(self.bins, key=lambda part: abs(part.z), default=None)

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        bins = [
            {
                "low": part.low,
                "high": part.high,
                "voxels": part.voxels,
                **part.drift.as_dict(),
                "z": finite_or_none(part.z),
            }
            for part in self.bins
        ]
        return {**self.drift.as_dict(), "z": finite_or_none(self.z), "bins": bins}


def block_mean(counts: torch.Tensor, sums: torch.Tensor) -> tuple[int, Estimate]:
    """A mean with its standard error, from the spread over blocks; the one way that drifts of means are estimated.

    Args:
        counts: (blocks,) how many voxels count in each.
        sums: (blocks,) the sum over them.

    Returns:
        how many count in all, and the mean; 0 where there are none.
    """
    kept = counts > 0
    counts, sums = counts[kept].double(), sums[kept].double()
    count = counts.sum()
    value = sums.sum() / count.clamp_min(1)
    return int(count), estimate(value, (sums - value * counts) / count.clamp_min(1))


def mean_drift(noisy: Array, denoised: Array, *, bins: int = 8, mask: Array | None = None) -> MeanDrift:
    """Mean of noisy minus denoised, overall and by brightness, with standard errors from blocks.

    Noise of mean 0 leaves a residual of mean 0. What drifts are outputs that were pulled to the mean: bright spots got
    darker, dark ones brighter. Noise whose mean is not 0 (Rician in the dark, clipped values) drifts when it is removed
    well, so read it together with the kind of noise.

    Args:
        noisy: y, (C, *spatial).
        denoised: f(y), same shape.
        bins: how many, by quantiles of the brightness. Brightness is the mean of the denoised image over 5 voxels along
            each axis, since noise that stayed in a single voxel would sort residuals by their own sign.
        mask: where to look.

    Raises:
        InputError: shapes differ, no bin, the mask is empty, or values in it are not finite.
    """
    if bins < 1:
        raise InputError(f"got {bins} bins; expected at least 1")
    y, f = same_shape(noisy, denoised)
    inside = inside_mask(mask, y.shape)
    bright = _smooth(f if inside is None else torch.where(inside, f, 0.0), inside)
    known = bright.flatten() if inside is None else bright[inside]
    known = known[:: 1 + len(known) // _QUANTILE_VOXELS]
    if not bool(known.isfinite().all()):
        raise InputError("NaN or infinite voxels among those compared: expected finite values; mask them out")
    limits = np.unique(np.quantile(known.double().numpy(), np.linspace(0.0, 1.0, bins + 1)))
    edges = torch.from_numpy(limits[1:-1])

    def fields(y: torch.Tensor, f: torch.Tensor, bright: torch.Tensor) -> list[torch.Tensor]:
        place = torch.bucketize(bright, edges)
        values = [torch.ones_like(y), y - f]
        for index in range(len(edges) + 1):
            here = (place == index).double()
            values += [here, here * (y - f)]
        return values

    table = block_sums(fields, y, f, bright, inside=inside)
    drifts = []
    for column in range(0, table.shape[1], 2):
        drifts.append(block_mean(table[:, column], table[:, column + 1]))
    parts = [
        BinDrift(float(limits[index]), float(limits[min(index + 1, len(limits) - 1)]), count, drift)
        for index, (count, drift) in enumerate(drifts[1:])
        if count > 0
    ]
    return MeanDrift(drifts[0][1], tuple(parts))


def _smooth(field: torch.Tensor, inside: torch.Tensor | None) -> torch.Tensor:
    """Mean over 5 voxels along each spatial axis, of the voxels that count, float32."""
    kept = torch.ones(field.shape) if inside is None else inside.float()
    sums = []
    for part in (field.float(), kept):
        for axis in range(1, part.dim()):
            moved = part.movedim(axis, -1)
            part = F.avg_pool1d(moved.reshape(1, -1, moved.shape[-1]), 5, 1, 2).reshape(moved.shape).movedim(-1, axis)
        sums.append(part)
    return sums[0] / sums[1].clamp_min(1e-6)

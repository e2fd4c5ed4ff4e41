# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Error of a denoiser that does not see the voxel that it estimates: the noisy voxel is its own test."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.arrays import Array, as_tensor, inside_mask, same_shape
from monai_diffdenoise.metrics.blocks import Estimate, block_sums, estimate, variance_of
from monai_diffdenoise.metrics.probe import Denoiser, run_denoiser

__all__ = ["blind_spot_mse", "masked_mse"]


def blind_spot_mse(
    noisy: Array, blind: Array, sigma: float | torch.Tensor = 0.0, *, mask: Array | None = None
) -> Estimate:
    r"""Mean squared error of a blind-spot estimate c: :math:`\overline{(y - c)^2} - \sigma^2`.

    The noise of a voxel is independent of an estimate that was made without it, so the two variances add up. For
    correlated noise the blind spot has to cover all voxels whose noise is correlated with the center's.

    Args:
        noisy: y, (C, *spatial).
        blind: c, same shape. For an output that has seen its own voxel the score is too small.
        sigma: standard deviation of the noise, in units of y, a number or a map. 0 leaves its variance in, which does
            not change which of two estimates is better.
        mask: where to look.

    Raises:
        InputError: shapes differ, the mask is empty, or values in it are not finite.
    """
    y, c = same_shape(noisy, blind)
    return _mean_error(y, c, variance_of(sigma, y.shape), inside_mask(mask, y.shape))


def masked_mse(
    noisy: Array,
    denoise: Denoiser,
    sigma: float | torch.Tensor = 0.0,
    *,
    axis: int | None = None,
    radius: int = 0,
    stride: int | None = None,
    mask: Array | None = None,
) -> Estimate:
    """Mean squared error of any denoiser, made blind: voxels of a lattice are replaced by what is around them.

    The result is scored at these voxels. It is the error of a denoiser without its central voxel: right for one that
    hardly uses it, and unfair to one that does (above all the noisy image itself). So it compares settings of similar
    denoisers at strong noise, and says nothing about whether to denoise at all.

    Args:
        noisy: y, (C, *spatial).
        denoise: f, run once.
        sigma: as in :func:`blind_spot_mse`.
        axis: spatial axis along which slices are stacked; the lattice then lies in each slice, moved from slice to
            slice, and so do the surroundings. None: a lattice in all axes.
        radius: voxels around each lattice point that are replaced, too: as far as the noise is correlated.
        stride: from one lattice point to the next; None is ``2 * radius + 4``.
        mask: where to look.

    Raises:
        InputError: a stride or an image that is too small, the mask is empty, or values are not finite.
    """
    y = as_tensor(noisy)
    step = 2 * radius + 4 if stride is None else stride
    if radius < 0 or step < 2 * radius + 2:
        raise InputError(f"got radius {radius} and stride {step}; expected 0 or more, and at least 2 * radius + 2")
    if y.dim() not in (3, 4) or (axis is not None and not -y.dim() < axis < y.dim() - 1):
        raise InputError(f"got an image of shape {tuple(y.shape)} and slice axis {axis}; expected (channels, *spatial)")
    slice_axis = None if axis is None else 1 + axis % (y.dim() - 1)
    plane = [a for a in range(1, y.dim()) if a != slice_axis]
    chosen = _lattice(y.shape, plane, slice_axis, step)
    counted = inside_mask(mask, y.shape)
    counted = chosen if counted is None else chosen & counted
    if not bool(counted.any()):
        raise InputError(f"no lattice point of stride {step} lies in the mask: expected a larger mask")
    filled = _fill(y.double(), chosen.double(), plane, radius)
    result = run_denoiser(denoise, noisy, torch.where(filled.isnan(), 0.0, filled - y.double()))
    return _mean_error(y, result, variance_of(sigma, y.shape), counted)


def _mean_error(y: torch.Tensor, c: torch.Tensor, variance: torch.Tensor, inside: torch.Tensor | None) -> Estimate:
    table = block_sums(lambda y, c, v: (torch.ones_like(y), (y - c).square() - v), *(y, c, variance), inside=inside)
    table = table[table[:, 0] > 0]
    count, total = table.sum(dim=0)
    value = total / count
    return estimate(value, (table[:, 1] - value * table[:, 0]) / count)


def _lattice(shape: torch.Size, plane: list[int], slice_axis: int | None, step: int) -> torch.Tensor:
    """True at every ``step``-th voxel along each axis of the plane, (C, *spatial)."""
    chosen = torch.ones(1, dtype=torch.bool)
    for place, axis in enumerate(plane):
        index = torch.arange(shape[axis]).reshape([-1 if a == axis else 1 for a in range(len(shape))])
        if slice_axis is not None:
            moved = torch.arange(shape[slice_axis]) * (place + 1)
            index = index + moved.reshape([-1 if a == slice_axis else 1 for a in range(len(shape))])
        chosen = chosen & (index % step == step // 2)
    return chosen.expand(shape)


def _box_sum(field: torch.Tensor, plane: list[int], side: int) -> torch.Tensor:
    """Sum over a box in the axes of the plane, 0 outside the image."""
    for axis in plane:
        moved = field.movedim(axis, -1)
        summed = F.avg_pool1d(moved.reshape(1, -1, moved.shape[-1]), side, 1, side // 2) * side
        field = summed.reshape(moved.shape).movedim(-1, axis)
    return field


def _fill(y: torch.Tensor, chosen: torch.Tensor, plane: list[int], radius: int) -> torch.Tensor:
    """Mean of the ring around each lattice point, at all voxels within ``radius`` of it; NaN elsewhere."""
    around, ones = torch.zeros_like(y), torch.zeros_like(y)
    for side, sign in ((2 * radius + 3, 1.0), (2 * radius + 1, -1.0)):
        around += sign * _box_sum(y, plane, side)
        ones += sign * _box_sum(torch.ones_like(y), plane, side)
    hole = _box_sum(chosen, plane, 2 * radius + 1) > 0.5
    value = _box_sum(chosen * around / ones.clamp_min(1.0), plane, 2 * radius + 1)
    return torch.where(hole, value, math.nan)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Structural similarity of volumes, slice by slice, in a mask, in float64."""

from __future__ import annotations

import torch
from torch.nn import functional

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.arrays import (
    Array,
    as_tensor,
    inside_mask,
    require_finite,
    require_range,
    same_shape,
)

__all__ = ["ssim", "ssim_sums"]

_WINDOW = 11
_WINDOW_SIGMA = 1.5


def ssim(
    image: Array,
    reference: Array,
    data_range: float,
    mask: Array | None = None,
    slice_axis: int | None = None,
) -> float:
    """Structural similarity (Wang et al. 2004), slice by slice, averaged over the voxels of the mask.

    Same definition as MONAI's ``SSIMMetric(2, kernel_type="gaussian", win_size=11, kernel_sigma=1.5)``, but in float64:
    MONAI computes in float32, where a variance that is small against the square of the mean is lost. As there, only
    voxels whose whole window lies in the slice count: 5 voxels along each border do not.

    Args:
        image: (C, *spatial) with 2 or 3 spatial axes; channels are scored on their own.
        reference: same shape.
        data_range: full range in the image's units.
        mask: voxels whose window counts; the window itself may reach out of the mask.
        slice_axis: spatial axis (0, 1 or 2) along which a volume's slices lie; None is the last.

    Raises:
        InputError: shapes differ, or no window fits.
    """
    total, count = ssim_sums(image, reference, data_range, mask, slice_axis)
    if count == 0:
        raise InputError(
            f"no window of {_WINDOW} x {_WINDOW} voxels fits around a voxel of the mask: expected larger slices"
        )
    return total / count


def _slices(volume: torch.Tensor, slice_axis: int | None) -> torch.Tensor:
    """(C, *spatial) to (slices, H, W)."""
    if volume.dim() not in (3, 4):
        raise InputError(f"image has shape {tuple(volume.shape)}: expected (channels, x, y) or (channels, x, y, z)")
    if volume.dim() == 3:
        return volume
    axis = 2 if slice_axis is None else slice_axis
    if axis not in (0, 1, 2):
        raise InputError(f"slice axis is {slice_axis}: expected 0, 1 or 2")
    return volume.movedim(1 + axis, 1).flatten(0, 1)


def ssim_sums(
    image: Array, reference: Array, data_range: float, mask: Array | None, slice_axis: int | None
) -> tuple[float, int]:
    """Sum of the similarity over the voxels that have a window, and their number."""
    one, two = (_slices(volume, slice_axis) for volume in same_shape(image, reference))
    inside = inside_mask(mask, as_tensor(reference).shape)
    chosen = None if inside is None else _slices(inside, slice_axis)
    if min(one.shape[1:]) < _WINDOW:
        return 0.0, 0
    margin = _WINDOW // 2
    total, count = 0.0, 0
    for index in range(len(one)):
        keep = None if chosen is None else chosen[index, margin:-margin, margin:-margin]
        if keep is not None and not bool(keep.any()):
            continue
        similarity = _ssim_map(one[index].double(), two[index].double(), require_range(data_range))
        similarity = similarity.flatten() if keep is None else similarity[keep]
        total += float(similarity.sum())
        count += similarity.numel()
    require_finite(total)
    return total, count


def _ssim_map(one: torch.Tensor, two: torch.Tensor, data_range: float) -> torch.Tensor:
    """Similarity at every voxel of a slice (H, W) that has a whole window: (H - 10, W - 10)."""
    offset = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    kernel = torch.exp(-0.5 * (offset / _WINDOW_SIGMA) ** 2)
    kernel = (kernel / kernel.sum()).reshape(1, 1, -1, 1)
    maps = torch.stack([one, two, one * one, two * two, one * two])[:, None]
    means = functional.conv2d(functional.conv2d(maps, kernel), kernel.mT)
    mean1, mean2, square1, square2, product = means[:, 0]
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean1 * mean2 + c1) / (mean1**2 + mean2**2 + c1)
    variances = square1 - mean1**2 + square2 - mean2**2
    return luminance * (2 * (product - mean1 * mean2) + c2) / (variances + c2)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Scores of an image against a clean reference, in a stated mask and for a stated data range.

Everything is summed in float64. Images are (C, *spatial) as everywhere in this package; the scores that look at single
voxels (all but SSIM and :func:`edge_error`) take any shape. A mask has the image's shape, or that of one of its
channels; voxels above 0 count.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.arrays import (
    Array,
    as_tensor,
    chunks,
    inside_mask,
    require_finite,
    require_range,
    same_shape,
)
from monai_diffdenoise.metrics.similarity import ssim_sums

__all__ = [
    "ReferenceScores",
    "bias",
    "default_data_range",
    "edge_error",
    "noise_gain",
    "psnr",
    "reference_scores",
    "rmse",
]


@dataclass(frozen=True)
class ReferenceScores:
    """Scores of one image against one reference.

    Args:
        psnr: peak signal-to-noise ratio in dB; infinite for identical images.
        ssim: mean structural similarity; None when no window of 11 x 11 voxels fits around a voxel of the mask.
        bias: mean error in the image's units; positive when the image is too bright.
        rmse: root of the mean squared error in the image's units.
        data_range: what psnr and ssim call the full range, in the image's units.
        mask_voxels: number of voxels that were compared.
    """

    psnr: float
    ssim: float | None
    bias: float
    rmse: float
    data_range: float
    mask_voxels: int

    @property
    def bias_percent(self) -> float:
        """Bias in percent of the data range."""
        return 100.0 * self.bias / self.data_range

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON can hold: an infinite psnr becomes None, and ``identical`` says why."""
        identical = math.isinf(self.psnr)
        psnr_or_none = None if identical else self.psnr
        return {**asdict(self), "psnr": psnr_or_none, "bias_percent": self.bias_percent, "identical": identical}


def default_data_range(reference: Array) -> float:
    """Data range of a reference when none is stated: its 99.9th minus its 0.1st percentile.

    The whole reference counts, not only a mask, so that scores in different masks share one scale. A few hot voxels
    (metal, vessels) do not stretch it. Where the percentiles coincide, the maximum minus the minimum is taken.

    Raises:
        InputError: the reference is constant.
    """
    values = as_tensor(reference).numpy().ravel()
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, (0.001, 0.999)) if values.size else (0.0, 0.0)
    if not high > low and values.size:
        low, high = values.min(), values.max()
    if not high > low:
        raise InputError("the reference is constant, so its data range is 0: state a data range")
    return float(high) - float(low)


def psnr(image: Array, reference: Array, data_range: float, mask: Array | None = None) -> float:
    """Peak signal-to-noise ratio in dB, 20 log10(data_range / rmse); infinite for identical images.

    Args:
        image: (C, *spatial).
        reference: same shape, same units.
        data_range: full range, in their units.
        mask: where to look; None is everywhere.
    """
    return _psnr(rmse(image, reference, mask=mask), data_range)


def rmse(image: Array, reference: Array, data_range: float = 1.0, mask: Array | None = None) -> float:
    """Root mean squared error as a fraction of ``data_range`` (1: in the image's units).

    Args:
        image: (C, *spatial).
        reference: same shape, same units.
        data_range: what 1 stands for, in their units.
        mask: where to look; None is everywhere.
    """
    count, _, squares = _error_sums(image, reference, mask)
    return math.sqrt(squares / count) / require_range(data_range)


def bias(image: Array, reference: Array, data_range: float = 1.0, mask: Array | None = None) -> float:
    """Mean error, image minus reference, as a fraction of ``data_range`` (1: in the image's units).

    Args:
        image: (C, *spatial).
        reference: same shape, same units.
        data_range: what 1 stands for, in their units.
        mask: where to look; None is everywhere.
    """
    count, total, _ = _error_sums(image, reference, mask)
    return total / count / require_range(data_range)


def noise_gain(output: Array, clean: Array, noise: Array, mask: Array | None = None) -> float:
    r"""Part of a known noise that is still in the output.

    .. math:: G = \langle f(x + n) - x, n \rangle / \langle n, n \rangle

    0 when none of the noise is left, 1 for the noisy image itself. It has no unit, so it needs no data range.

    Args:
        output: denoised image.
        clean: the image without noise, same shape.
        noise: what was added to it, same shape.
        mask: where to look.

    Raises:
        InputError: shapes differ, the mask is empty, values are not finite, or the noise is 0.
    """
    product = energy = 0.0
    for out, ref, n in chunks(mask, output, clean, noise):
        product += float(((out - ref) * n).sum())
        energy += float(n.square().sum())
    require_finite(product)
    if energy == 0.0:
        raise InputError("the noise is 0 everywhere in the mask: expected what was added to the clean image")
    return product / energy


def edge_error(
    image: Array, reference: Array, data_range: float, mask: Array | None = None, quantile: float = 0.9
) -> float:
    """Error of the gradient where the reference has its edges, as a fraction of ``data_range`` per voxel.

    Edges are the voxels of the mask whose gradient magnitude in the reference is in the top ``1 - quantile`` and above
    0. There, the root mean square length of the difference of both gradients (central differences, all spatial axes
    of at least 3 voxels) is taken: blurred edges, moved edges and noise on edges all raise it.

    Args:
        image: (C, *spatial).
        reference: same shape.
        data_range: what the error is divided by, in the image's units.
        mask: where to look.
        quantile: share of the mask that is not called an edge, 0 to 1.

    Raises:
        InputError: shapes differ, the mask is empty, no axis of 3 voxels, or the reference has no edge in the mask.
    """
    one, two = same_shape(image, reference)
    inside = inside_mask(mask, two.shape)
    axes = [axis for axis in range(1, two.dim()) if two.shape[axis] >= 3]
    if not axes:
        raise InputError(f"the image has shape {tuple(two.shape)}: expected a spatial axis of at least 3 voxels")
    strength = torch.zeros(two.shape, dtype=torch.float64)
    error = torch.zeros(two.shape, dtype=torch.float64)
    for axis in axes:
        gradient = torch.gradient(two.double(), dim=axis)[0]
        strength += gradient.square()
        error += (torch.gradient(one.double(), dim=axis)[0] - gradient).square()
    if inside is not None:
        strength, error = strength[inside], error[inside]
    strength, error = strength.flatten(), error.flatten()
    edges = (strength >= float(np.quantile(strength.numpy(), quantile))) & (strength > 0)
    if not bool(edges.any()):
        raise InputError("the reference has no edge in the mask: expected an image with structure")
    squared = float(error[edges].mean())
    require_finite(squared)
    return math.sqrt(squared) / require_range(data_range)


def reference_scores(
    image: Array,
    reference: Array,
    data_range: float | None = None,
    mask: Array | None = None,
    slice_axis: int | None = None,
) -> ReferenceScores:
    """Score an image against a clean reference.

    Args:
        image: (C, *spatial) with 2 or 3 spatial axes.
        reference: same shape, same units.
        data_range: full range in the image's units; None takes :func:`default_data_range` of the reference.
        mask: where to look; None is everywhere.
        slice_axis: spatial axis along which a volume's slices lie, see :func:`~monai_diffdenoise.metrics.ssim`.

    Returns:
        all scores, with the data range that they rest on.

    Raises:
        InputError: shapes differ, the mask is empty, values in it are not finite, or the range is not above 0.
    """
    full = default_data_range(reference) if data_range is None else require_range(data_range)
    count, total, squares = _error_sums(image, reference, mask)
    similarity, windows = ssim_sums(image, reference, full, mask, slice_axis)
    root = math.sqrt(squares / count)
    mean_ssim = similarity / windows if windows else None
    return ReferenceScores(_psnr(root, full), mean_ssim, total / count, root, full, count)


def _psnr(root: float, data_range: float) -> float:
    return 20.0 * math.log10(require_range(data_range) / root) if root > 0.0 else math.inf


def _error_sums(image: Array, reference: Array, mask: Array | None) -> tuple[int, float, float]:
    """Number of voxels compared, sum of their errors, sum of the squares."""
    count, total, squares = 0, 0.0, 0.0
    for out, ref in chunks(mask, image, reference):
        error = out - ref
        count += error.numel()
        total += float(error.sum())
        squares += float(error.square().sum())
    require_finite(squares)
    return count, total, squares

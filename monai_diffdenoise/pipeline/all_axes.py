# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One network along several axes of a volume: more to learn from, and the mean of several views of each voxel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from monai_diffdenoise.data.storage import allocate, runs
from monai_diffdenoise.inferers import VolumeSliceInferer
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["denoise_along", "turned"]


def turned(image: torch.Tensor, axis: int, other: int) -> torch.Tensor:
    """A view of an image (C, X, Y, Z) in which slices along ``other`` lie along ``axis``; its own inverse."""
    return image.transpose(axis + 1, other + 1)


def denoise_along(
    inferer: VolumeSliceInferer,
    axes: Sequence[int],
    image: torch.Tensor,
    network: Callable[[torch.Tensor], torch.Tensor],
    scalings: list[AffineScaling],
    out: torch.Tensor,
    slice_axis: int = -1,
) -> torch.Tensor:
    """Denoise an image along each of some axes and take the mean.

    Args:
        inferer: its pairing slices along the first of ``axes``.
        axes: spatial axes, 0 to 2.
        image: (C, X, Y, Z), in any units; its companions, if the pairing has some, behind the first channel.
        network: 2D denoiser in normalised units.
        scalings: one for each channel.
        out: where the result goes, of the shape of what is denoised.
        slice_axis: axis along which the slices of image and result lie one behind the other in memory.
    """
    inferer.denoise(image, network, scalings, out)
    if len(axes) == 1:
        return out
    one = allocate(out.shape, slice_axis, image.dtype)
    for other in axes[1:]:
        inferer.denoise(turned(image, axes[0], other), network, scalings, turned(one, axes[0], other))
        for index in runs(out, slice_axis):
            out[index] += one[index]
    for index in runs(out, slice_axis):
        out[index] /= len(axes)
    return out

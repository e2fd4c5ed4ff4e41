# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A volume with stabilized noise, and the way back, some slices at a time."""

from __future__ import annotations

import torch

from monai_diffdenoise.data.storage import allocate, runs
from monai_diffdenoise.transforms.stabilize import Stabilizer

__all__ = ["restore", "restored_spread", "stabilized"]


def stabilized(image: torch.Tensor, stabilizer: Stabilizer, slice_axis: int) -> torch.Tensor:
    """A stabilized copy of an image, in storage of its own.

    Args:
        image: (C, X, Y, Z), in input units.
        stabilizer: of its noise.
        slice_axis: axis of the slices, which lie one behind the other in memory.
    """
    result = allocate(image.shape, slice_axis)
    for index in runs(image, slice_axis):
        result[index] = stabilizer.forward(image[index])
    return result


def restore(
    denoised: torch.Tensor, stabilizer: Stabilizer, slice_axis: int, share: torch.Tensor | None = None
) -> torch.Tensor:
    """Bring a denoised image back to input units, in place, by the unbiased inverse.

    Args:
        denoised: (C, X, Y, Z), stabilized.
        stabilizer: what it was stabilized by.
        slice_axis: axis of the slices.
        share: of what was removed and put back, (C, X, Y, Z), 0 to 1; its square is about the share of the noise's
            variance that is left. None is 0. Magnitudes are biased themselves, so for them it is not used.
    """
    biased = stabilizer.kind == "rician"
    for index in runs(denoised, slice_axis):
        left = 0.0 if share is None or biased else share[index].clamp(0, 1).square()
        denoised[index] = stabilizer.inverse(denoised[index], left)
    return denoised


def restored_spread(
    denoised: torch.Tensor, spread: torch.Tensor, stabilizer: Stabilizer, slice_axis: int
) -> torch.Tensor:
    """A standard deviation of stabilized values in input units: half of what the inverse makes of twice of it.

    Args:
        denoised: (C, X, Y, Z), stabilized.
        spread: standard deviation around it, of its shape.
        stabilizer: what it was stabilized by.
        slice_axis: axis of the slices.
    """
    result = allocate(spread.shape, slice_axis)
    for index in runs(denoised, slice_axis):
        ends = [stabilizer.inverse(denoised[index] + side * spread[index]) for side in (-1, 1)]
        result[index] = (ends[1] - ends[0]) / 2
    return result

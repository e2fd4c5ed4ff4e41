# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A normalised copy of a volume, in storage of its own."""

from __future__ import annotations

import torch

from monai_diffdenoise.data.storage import allocate, runs
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["normalised"]


def normalised(image: torch.Tensor, scaling: AffineScaling, slice_axis: int) -> torch.Tensor:
    """Scale all channels of an image alike, some slices at a time.

    Args:
        image: (C, X, Y, Z).
        scaling: to normalised units.
        slice_axis: axis of the slices, which lie one behind the other in memory.
    """
    scaled = allocate(image.shape, slice_axis, image.dtype)
    for index in runs(image, slice_axis):
        scaled[index] = scaling.apply(image[index])
    return scaled

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A 2D image as a volume of one slice, so that one way of working serves both."""

from __future__ import annotations

from dataclasses import replace

import torch
from monai.data import MetaTensor

from monai_diffdenoise.data.volume import Volume

__all__ = ["as_stack"]


def as_stack(volume: Volume) -> Volume:
    """A volume with three spatial axes; a 2D image gets a last one of length 1. Nothing is copied.

    Args:
        volume: (C, X, Y) or (C, X, Y, Z). It knows what to write: write it, with what was made of the stack.
    """
    if volume.spatial_dims == 3:
        return volume
    image = MetaTensor(volume.image.as_tensor()[..., None], affine=torch.as_tensor(volume.image.affine))
    finite = None if volume.finite is None else volume.finite[..., None]
    return replace(volume, image=image, finite=finite, spacing=(*volume.spacing, 1.0), slice_axis=2)

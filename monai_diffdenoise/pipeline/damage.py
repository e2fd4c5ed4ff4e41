# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Refuse a volume with values that no computation could use, before any work is done."""

from __future__ import annotations

from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.scaling import robust_scaling

__all__ = ["refuse_outliers"]

_FARTHEST = 1e6
_LARGEST = 1e37


def refuse_outliers(volume: Volume) -> None:
    """A voxel far beyond all others is damage: its square would not be a number, and no loss could be computed.

    Args:
        volume: as read; its middle time point sets the scale.

    Raises:
        InputError: values beyond 1e37, or further than a million times the range of most from each other.
    """
    image = volume.image.as_tensor()
    scale = robust_scaling(image[image.shape[0] // 2]).scale
    low, high = volume.value_range
    if max(-low, high) > _LARGEST:
        raise InputError(
            f"got values from {low:.3g} to {high:.3g}: expected at most {_LARGEST:g} in size, or float32 cannot "
            "compute with them; the file is damaged or needs another scale"
        )
    if (high - low) / scale > _FARTHEST:
        raise InputError(
            f"got values from {low:.3g} to {high:.3g}, where most lie within {scale:.3g} of each other: expected at "
            f"most {_FARTHEST:g} times that; a few voxels are damaged, set them to NaN or clip them"
        )

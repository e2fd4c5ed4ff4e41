# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a blind-spot network may also see a volume from its other sides."""

from __future__ import annotations

from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.pipeline.slice_pairs import SlicePairs

__all__ = ["further_axes"]

# Longest over shortest side of a voxel: beyond that slices along the axes look too different.
_CUBE = 1.5
_FEWEST = 16
# Slices across memory are slow to read where a volume lies in a file, and the result must not depend on where it lies.
_VOXELS = 1 << 23


def further_axes(
    volume: Volume, settings: DenoiseSettings, pairs: SlicePairs, fits: bool
) -> tuple[tuple[int, ...], str]:
    """The axes beside that of the slices, and why, if there are any.

    Args:
        volume: with three spatial axes.
        settings: ``axes``, and what was said of the slices.
        pairs: the slices' axis and distance.
        fits: whether the noise is white and the network sees neighbors, so that no axis is unlike another.

    Raises:
        InputError: all axes were asked for, and the noise or the network does not allow it.
    """
    others = tuple(axis for axis in range(3) if axis != pairs.axis)
    if settings.axes == "one":
        return (), ""
    if settings.axes == "all":
        if not fits or min(volume.image.shape[1:]) <= 2 * pairs.distance:
            raise InputError(
                "got axes = all, which needs neighbors as context, a blind spot of one pixel, and noise that is white "
                "in the plane: choose one"
            )
        return others, "all three axes: asked for"
    if not fits or settings.axis is not None or not pairs.independent or pairs.distance > 1:
        return (), ""
    size = volume.image.shape[1:]
    cubes = max(volume.spacing) <= _CUBE * min(volume.spacing)
    if not cubes or min(size) < _FEWEST or size.numel() > _VOXELS:
        return (), ""
    return others, "all three axes: voxels are nearly cubes, and noise is white and independent across slices"

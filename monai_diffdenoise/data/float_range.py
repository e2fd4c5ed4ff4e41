# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What the computation, which is done in float32, cannot see of values that are too large or too small for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monai_diffdenoise.data.volume import Volume

__all__ = ["with_range_notes"]

_SMALLEST = float(np.finfo(np.float32).tiny)
# Next to such values, those that float32 cannot hold are nothing.
_SURELY_SEEN = 1e-30


def with_range_notes(volume: Volume) -> Volume:
    """Say in the notes which values lie beyond float32 (above 3.4e38) or below it (under 1.2e-38).

    Such voxels come back on writing as they were: the large ones count as voxels without a value, the small ones look
    like zeros.

    Args:
        volume: as it was read.
    """
    native = volume.source.native
    if native.dtype != np.float64 and native.slope == 1.0 and native.inter == 0.0:
        return volume
    low, high = volume.image.as_tensor().aminmax()
    if not volume.nonfinite and max(-float(low), float(high)) > _SURELY_SEEN:
        return volume
    large, small = 0, 0
    for block in volume.source.blocks():
        values = np.abs(block.physical())
        large += int(np.count_nonzero(np.isfinite(values) & ~np.isfinite(block.float32())))
        small += int(np.count_nonzero((values > 0) & (values < _SMALLEST)))
    notes = list(volume.notes)
    if large:
        notes.append(
            f"{large} values beyond 3.4e38, the range of float32, are treated like voxels without a value and are "
            "written back as they were."
        )
    if small:
        notes.append(
            f"{small} values below 1.2e-38, the range of float32, are seen as zero and are written back as they were; "
            "multiply the image to have them denoised."
        )
    return replace(volume, notes=tuple(notes))

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tell the time points of a stack apart: which of the images at one position go with which at the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from monai_diffdenoise.data.dicom_kind import Moment
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.errors import InputError

__all__ = ["time_points"]

_WEIGHTING = ("b_value", "gradient_x", "gradient_y", "gradient_z")
# Directions are printed with few digits.
_TOLERANCE = 1e-3


def time_points(positions: Sequence[Sequence[Slice]]) -> tuple[list[list[Slice]], list[str]]:
    """Put the k-th image of each position into the k-th volume.

    Only the order at one position counts: times, trigger delays and instance numbers may run through the slices.

    Args:
        positions: the images at each position, positions in their order in space.

    Returns:
        ``volumes[time][position]`` in the order of time, and what the user should know about them.

    Raises:
        InputError: positions with different numbers of images, or images that do not go together.
    """
    counts = Counter(len(images) for images in positions)
    times = max(counts)
    if len(counts) > 1:
        text = ", ".join(f"{number} position(s) with {count} image(s)" for count, number in sorted(counts.items()))
        raise InputError(
            f"slices share their position unevenly ({text}): expected as many time points at every position; "
            "is a volume incomplete, is a slice missing, or are some there twice?"
        )
    if times == 1:
        return [[images[0] for images in positions]], []
    shared = list(_WEIGHTING)
    temporal = {Moment(*item.moment).temporal for images in positions for item in images}
    if len(temporal) <= times:
        # More values than time points: this number runs through the slices.
        shared.insert(0, "temporal")
    for first in ([], shared):
        ranked = [sorted(images, key=lambda item: _key(item, first)) for images in positions]
        volumes = [list(volume) for volume in zip(*ranked, strict=True)]
        if all(_agree(volume, shared) for volume in volumes):
            return volumes, _notes(volumes)
    raise InputError(
        f"the {times} images at each of {len(positions)} positions do not go together: time points or diffusion "
        "weightings differ from position to position; is a volume incomplete?"
    )


def _key(item: Slice, first: Sequence[str]) -> tuple[float, ...]:
    """Moment of an image, after the fields that volumes share where the rest does not keep them together."""
    moment = Moment(*item.moment)
    return *(getattr(moment, name) for name in first), *moment


def _agree(volume: Sequence[Slice], shared: Sequence[str]) -> bool:
    for name in shared:
        values = [getattr(Moment(*item.moment), name) for item in volume]
        low, high = min(values), max(values)
        if low != high and not high - low <= _TOLERANCE:
            return False
    return True


def _notes(volumes: Sequence[Sequence[Slice]]) -> list[str]:
    values = {Moment(*volume[0].moment).b_value for volume in volumes}
    if len(values) < 2:
        return []
    shown = ", ".join(f"{value:g}" if value >= 0 else "none" for value in sorted(values)[:8])
    return [f"the {len(volumes)} time points differ in their b-value ({shown}): they are not repeats of one image"]

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Pictures without a position in space: ultrasound and X-ray clips, optical scans, secondary captures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from monai_diffdenoise.data.dicom_geometry import Arrangement, stack_slices
from monai_diffdenoise.data.dicom_kind import Moment
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.errors import InputError

__all__ = ["arrange_frames"]


def arrange_frames(slices: Sequence[Slice], cine: Literal["refuse", "time", "slices"]) -> Arrangement:
    """Order pictures that do not say where they lie, as the user says what they are.

    Args:
        slices: at least one, of one size.
        cine: what several pictures are: moments of one picture, or slices one behind the other. They are taken in the
            order of their instance numbers and frames.

    Raises:
        InputError: several pictures, and the user did not say what they are.
    """
    plane = stack_slices([slices[0]])
    if len(slices) == 1:
        return plane
    if cine == "refuse":
        raise InputError(
            f"{len(slices)} images of one series have no position in space: say --cine time if they are moments of one "
            "picture, --cine slices if they lie one behind the other, or give one image at a time"
        )
    ordered = sorted(slices, key=_order)
    taken = f"{len(slices)} images without a position in space were taken"
    if cine == "time":
        notes = (f"{taken} as time points, in their order in the series",)
        return replace(plane, slices=tuple((item,) for item in ordered), notes=notes)
    known = "" if slices[0].thickness else "; their distance is not known, 1 mm is assumed"
    return replace(plane, slices=(tuple(ordered),), notes=(f"{taken} as slices, in their order in the series{known}",))


def _order(item: Slice) -> tuple[float, ...]:
    moment = Moment(*item.moment)
    return moment.instance, moment.frame, *moment

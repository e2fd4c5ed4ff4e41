# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a user may say about an input that a reader would otherwise refuse or ask about."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from monai_diffdenoise.errors import InputError

__all__ = ["ReadOptions"]


@dataclass(frozen=True)
class ReadOptions:
    """How to read an input that can be taken in more than one way. The defaults refuse rather than guess.

    Args:
        series: Series UID, or the end of it, when a DICOM folder holds several.
        stack: number of the stack, from 1 as the error lists them, when a DICOM series holds several that must not be
            mixed (echoes, magnitude and phase, orientations, kernels).
        color: what to do with color: refuse it, or take its luma as one gray channel.
        cine: what several DICOM images without positions in space (frames of a clip, captures) are: refuse to guess,
            moments of one picture, or slices one behind the other.
        burned_in: what to do with images that say that text is burned into their pixels, which may name the patient:
            refuse them, or take them.
        uneven: what to do with missing or unevenly spaced DICOM slices: refuse them, or take them as if they were even
            (such a volume can be written as DICOM only, where every slice keeps its own position).
    """

    series: str | None = None
    stack: int | None = None
    color: Literal["refuse", "gray"] = "refuse"
    cine: Literal["refuse", "time", "slices"] = "refuse"
    burned_in: Literal["refuse", "take"] = "refuse"
    uneven: Literal["refuse", "take"] = "refuse"

    def only(self, what: str, *allowed: str) -> None:
        """Refuse choices that mean nothing for a kind of input.

        Args:
            what: how the message calls the input.
            allowed: names of the options that do mean something.

        Raises:
            InputError: another option was given.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default and field.name not in allowed:
                name = field.name.replace("_", "-")
                raise InputError(f"{what}: got --{name} {value}, which means nothing for it; drop it")

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How the values of a volume are stored in a format: the source's own way where it can be kept, never a silent loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monai_diffdenoise.data.encoding import OUTPUT_DTYPES, Encoding, fit_encoding, parse_dtype
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError

__all__ = ["Holds", "choose_encoding"]

# Rounding to whole numbers must leave at least this many steps between the smallest and the largest value.
_FEWEST_STEPS = 100


@dataclass(frozen=True)
class Holds:
    """What a file format can hold.

    Args:
        title: the format as people write it.
        dtypes: names of its number types.
        scaled: whether it keeps a slope and an intercept, so that integers can stand for any values.
    """

    title: str
    dtypes: tuple[str, ...] = OUTPUT_DTYPES
    scaled: bool = False


def choose_encoding(volume: Volume, output_dtype: str | np.dtype | None, holds: Holds) -> Encoding:
    """Decide how the values of a volume are stored; whether that can be done depends on the source alone.

    Without ``output_dtype``: as the source stores them if the format can; else the smallest number type that holds
    all that the source could hold. With it: integers in a format without slope and intercept stand for the values
    rounded to whole numbers, and are refused where that would leave too little.

    Args:
        volume: what is to be written.
        output_dtype: number type wanted; None for the source's.
        holds: what the format can hold.

    Raises:
        InputError: a number type that is unknown, that the format lacks, or that cannot hold the values.
    """
    native = volume.source.native
    if output_dtype is None:
        return _like_source(native, holds)
    dtype = parse_dtype(output_dtype)
    if dtype.name not in holds.dtypes:
        raise InputError(
            f"got the output data type {dtype.name}: expected one that {holds.title} holds, {_names(holds)}"
        )
    if dtype == native.dtype and (holds.scaled or not _scaled(native)):
        return native
    if dtype.kind == "f":
        return Encoding(dtype)
    if volume.nonfinite:
        raise InputError(
            f"the input holds {volume.nonfinite} NaN or infinite voxels, which {dtype.name} cannot store: use float32"
        )
    if holds.scaled:
        return fit_encoding(dtype, *volume.value_range, native)
    _require_whole_numbers(volume, dtype, holds)
    return Encoding(dtype)


def _names(holds: Holds) -> str:
    return ", ".join(holds.dtypes)


def _scaled(encoding: Encoding) -> bool:
    return encoding.slope != 1.0 or encoding.inter != 0.0


def _like_source(native: Encoding, holds: Holds) -> Encoding:
    if native.dtype.name in holds.dtypes and (holds.scaled or not _scaled(native)):
        return native
    fitting = [name for name in _wide_enough(native) if name in holds.dtypes]
    if fitting:
        return Encoding(np.dtype(fitting[0]))
    raise InputError(
        f"{holds.title} holds {_names(holds)}, the input's values are {native.dtype.name}"
        + (f" with slope {native.slope:g} and intercept {native.inter:g}" if _scaled(native) else "")
        + ": give an output data type, or name a .nii.gz file"
    )


def _wide_enough(native: Encoding) -> list[str]:
    """Number types that hold every value of an encoding without a slope, the best first."""
    whole = native.dtype.kind in "iu" and native.slope == int(native.slope) and native.inter == int(native.inter)
    if whole:
        info, slope, inter = np.iinfo(native.dtype), int(native.slope), int(native.inter)
        ends = sorted(int(limit) * slope + inter for limit in (info.min, info.max))
        names = [name for name in OUTPUT_DTYPES if np.dtype(name).kind in "iu"]
        return [n for n in names if np.iinfo(n).min <= ends[0] and ends[1] <= np.iinfo(n).max] or ["float64"]
    return ["float32", "float64"] if native.dtype.itemsize <= 2 else ["float64"]


def _require_whole_numbers(volume: Volume, dtype: np.dtype, holds: Holds) -> None:
    low, high, whole = np.inf, -np.inf, True
    for block in volume.source.blocks():
        values = block.physical()
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        whole = whole and bool((values == np.rint(values)).all())
    least, most = Encoding(dtype).limits
    if not (least <= np.rint(low) and np.rint(high) <= most):
        raise InputError(
            f"the values of the input run from {low:g} to {high:g}, {dtype.name} holds {least:g} to {most:g}, and "
            f"{holds.title} keeps no scale: choose a wider data type, or name a .nii.gz file"
        )
    if not whole and high - low < _FEWEST_STEPS:
        raise InputError(
            f"the values of the input run from {low:g} to {high:g}, of which whole numbers ({dtype.name}) would leave "
            f"{np.rint(high) - np.rint(low):g} steps, and {holds.title} keeps no scale: use float32, or a .nii.gz file"
        )

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Between stored numbers and physical values, without losing a bit of what nobody touched.

A file stores ``s`` and means ``v = slope * s + inter``. The computation sees ``r = float32(v)`` and returns ``d``
(float32). What goes back to the disk is

    v' = d + (v - r)          in float64,

so that an untouched voxel (``d == r``) gives ``v`` back exactly, although float32 cannot hold it, and a touched one
keeps no rounding of ours. When the encoding stays the same, the stored number of an untouched voxel is copied.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from monai_diffdenoise.errors import InputError

__all__ = ["Block", "Encoding", "OUTPUT_DTYPES", "encode_block", "fit_encoding", "parse_dtype"]

OUTPUT_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
"""Number types that a NIfTI volume may be stored in."""


@dataclass(frozen=True)
class Encoding:
    """How physical values are stored: ``value = slope * stored + inter``.

    Args:
        dtype: number type on the disk, in native byte order.
        slope: physical units per stored unit, not 0.
        inter: physical value of a stored 0.
    """

    dtype: np.dtype
    slope: float = 1.0
    inter: float = 0.0

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest value that the number type holds, as floats that convert back without overflow."""
        if self.dtype.kind == "f":
            info = np.finfo(self.dtype)
            return float(info.min), float(info.max)
        low, high = int(np.iinfo(self.dtype).min), int(np.iinfo(self.dtype).max)
        top = float(high)
        # 2**63 - 1 and 2**64 - 1 round up to a float that no longer fits.
        return float(low), top if int(top) <= high else float(np.nextafter(top, 0.0))


@dataclass(frozen=True, eq=False)
class Block:
    """A piece of a volume as it lies on the disk.

    Args:
        index: where it goes in the image, one slice per axis of (C, *spatial).
        stored: the numbers on the disk in native byte order, of the shape that ``index`` cuts out.
        slope: physical units per stored unit.
        inter: physical value of a stored 0.
        limits: smallest and largest stored number that may be written; None means the whole number type.
        keep: boolean, same shape; True where the stored number is never changed (pixel padding).
    """

    index: tuple[slice, ...]
    stored: np.ndarray
    slope: float = 1.0
    inter: float = 0.0
    limits: tuple[float, float] | None = None
    keep: np.ndarray | None = field(default=None)

    @property
    def encoding(self) -> Encoding:
        """How this block is stored."""
        return Encoding(self.stored.dtype, self.slope, self.inter)

    def physical(self) -> np.ndarray:
        """Physical values, float64."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.stored.astype(np.float64) * self.slope + self.inter

    def float32(self) -> np.ndarray:
        """Physical values as the computation sees them; beyond the range of float32 they become infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.physical().astype(np.float32)


def parse_dtype(name: str | np.dtype | type) -> np.dtype:
    """Turn the name of a number type into a numpy dtype.

    Raises:
        InputError: not one of :data:`OUTPUT_DTYPES`.
    """
    try:
        dtype = np.dtype(name)
    except TypeError:
        dtype = None
    if dtype is None or dtype.name not in OUTPUT_DTYPES:
        raise InputError(f"output data type {name!r} is not known: expected one of {', '.join(OUTPUT_DTYPES)}")
    return dtype.newbyteorder("=")


def fit_encoding(dtype: np.dtype, low: float, high: float, native: Encoding | None = None) -> Encoding:
    """Choose slope and intercept so that values from ``low`` to ``high`` fit into ``dtype``.

    A floating type needs neither. An integer type keeps the source's slope and intercept where everything fits;
    otherwise the values are spread over its whole range. Slope and intercept are exact in float32, which is how NIfTI-1
    stores them.

    Args:
        dtype: the number type wanted.
        low: smallest physical value.
        high: largest physical value.
        native: how the source stores its values.
    """
    if dtype.kind == "f":
        return Encoding(dtype)
    least, most = Encoding(dtype).limits
    if native is not None and native.dtype.kind in "iu":
        ends = sorted(np.rint((value - native.inter) / native.slope) for value in (low, high))
        if least <= ends[0] and ends[1] <= most:
            return Encoding(dtype, native.slope, native.inter)
    if least < 0:
        inter = float(np.float32(low / 2 + high / 2))
    else:
        inter = float(np.float32(low))
        if inter > low:
            inter = float(np.nextafter(np.float32(low), np.float32(-np.inf)))
    slope = max((high - inter) / most, (inter - low) / -least if least < 0 else 0.0)
    slope32 = np.float32(slope)
    if float(slope32) < slope:
        slope32 = np.nextafter(slope32, np.float32(np.inf))
    return Encoding(dtype, float(slope32) or 1.0, inter)


def encode_block(block: Block, values: np.ndarray, encoding: Encoding) -> tuple[np.ndarray, int]:
    """Store new values in the place of a block.

    Args:
        block: the source's block.
        values: new physical values, float32, finite wherever the source is, of the block's shape.
        encoding: how to store them; the block's own keeps untouched voxels bit for bit.

    Returns:
        the numbers to write (native byte order), and how many values had to be clipped to the range.

    Raises:
        InputError: a NaN or an infinity of the source cannot be stored in an integer type.
    """
    source, seen = block.physical(), block.float32()
    fixed = (values == seen) | ~np.isfinite(seen)
    if block.keep is not None:
        fixed |= block.keep
    with np.errstate(invalid="ignore", over="ignore"):
        target = values.astype(np.float64) + (source - seen)
        target[fixed] = source[fixed]
        if encoding.slope != 1.0 or encoding.inter != 0.0:
            target = (target - encoding.inter) / encoding.slope
    same = encoding == block.encoding
    low, high = block.limits if same and block.limits is not None else encoding.limits
    if encoding.dtype.kind in "iu":
        if not np.isfinite(target).all():
            raise InputError(
                f"the input holds NaN or infinite voxels, which {encoding.dtype.name} cannot store: use float32"
            )
        target = np.rint(target)
        outside = (target < low) | (target > high)
    else:
        outside = ((target < low) | (target > high)) & np.isfinite(target)
    if same:
        outside &= ~fixed
    clipped = int(np.count_nonzero(outside))
    if clipped:
        target[outside] = np.clip(target[outside], low, high)
    if same:
        # Fixed voxels are copied, so whatever float64 makes of them must not raise a warning here.
        target[fixed] = 0
        return np.where(fixed, block.stored, target.astype(encoding.dtype)), clipped
    with np.errstate(over="ignore"):
        return target.astype(encoding.dtype), clipped

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Headers of MetaImage files (.mha, .mhd): lines of ``Key = Value``, read as ITK reads them, checked, and kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np

from monai_diffdenoise.data.anatomy import LPS, ras_affine
from monai_diffdenoise.errors import InputError

__all__ = ["ELEMENT_TYPES", "MetaImageLayout", "read_layout"]

ELEMENT_TYPES = {
    "MET_UCHAR": "uint8",
    "MET_CHAR": "int8",
    "MET_USHORT": "uint16",
    "MET_SHORT": "int16",
    "MET_UINT": "uint32",
    "MET_INT": "int32",
    # Of four bytes on every machine.
    "MET_ULONG": "uint32",
    "MET_LONG": "int32",
    "MET_ULONG_LONG": "uint64",
    "MET_LONG_LONG": "int64",
    "MET_FLOAT": "float32",
    "MET_DOUBLE": "float64",
}
"""Name of a number type in the file -> here."""

_MAX_HEADER = 1 << 20
_MAX_AXES = 10
_MM_PER_UNIT = {"um": 0.001, "mm": 1.0, "cm": 10.0}


@dataclass(frozen=True, eq=False)
class MetaImageLayout:
    """What the header of a MetaImage says.

    Args:
        lines: every line up to and with ElementDataFile, with its line break.
        fields: key -> value.
        dtype: stored number type with its byte order.
        order: the byte order, "<" or ">", which a number type of one byte does not tell.
        spatial: voxels along each of the 2 or 3 spatial axes.
        times: images one after the other.
        components: numbers per voxel.
        compressed: whether the pixels are a zlib stream.
        header_size: where the pixels start in their file: -1 for so that they end with it, 0 for not said.
        data_file: LOCAL, or the name of the data file.
        affine: 4 x 4, voxel indices to RAS millimeters.
        spacing: millimeters per spatial axis.
        notes: what the user should know.
    """

    lines: tuple[bytes, ...]
    fields: dict[str, str]
    dtype: np.dtype
    order: Literal["<", ">"]
    spatial: tuple[int, ...]
    times: int
    components: int
    compressed: bool
    header_size: int
    data_file: str
    affine: np.ndarray
    spacing: tuple[float, ...]
    notes: tuple[str, ...]

    @property
    def length(self) -> int:
        """Bytes of the header."""
        return sum(len(line) for line in self.lines)

    @property
    def kind(self) -> Literal["time", "component"]:
        """What the channels count."""
        return "component" if self.components > 1 else "time"


def read_layout(stream: BinaryIO, name: str) -> MetaImageLayout:
    """Read a header up to the line ``ElementDataFile = ...``, which is its last.

    Args:
        stream: the file, at its start.
        name: how messages call it.

    Raises:
        InputError: not a MetaImage, truncated, or of a kind that is not denoised.
    """
    lines: list[bytes] = []
    fields: dict[str, str] = {}
    room = _MAX_HEADER
    while "ElementDataFile" not in fields:
        line = stream.readline(room)
        room -= len(line)
        key, value = _split(line)
        if not line or not key or room <= 0:
            raise InputError(
                f"{name} is not a MetaImage or is cut off: expected lines of Key = Value, to ElementDataFile"
            )
        lines.append(line)
        fields[key] = value
    return _interpret(tuple(lines), fields, name)


def _split(line: bytes) -> tuple[str, str]:
    text = line.decode("latin-1")
    # Old files write a colon.
    key, mark, value = text.partition("=") if "=" in text else text.partition(":")
    key = key.strip()
    if not mark or not key or not key.replace("_", "a").replace(" ", "a").isalnum() or not key.isascii():
        return "", ""
    return key, value.strip()


def _interpret(lines: tuple[bytes, ...], fields: dict[str, str], name: str) -> MetaImageLayout:
    if fields.get("ObjectType", "Image").lower() != "image":
        raise InputError(f"{name} holds a MetaObject of the type {fields['ObjectType']!r}: expected an Image")
    if not _flag(fields, name, True, "BinaryData"):
        raise InputError(
            f"{name} holds its voxels as text (BinaryData = False): expected binary data; convert it first"
        )
    sizes = _sizes(fields, name)
    order: Literal["<", ">"] = "<"
    if _flag(fields, name, False, "BinaryDataByteOrderMSB", "ElementByteOrderMSB"):
        order = ">"
    notes = []
    for key in ("ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset", "CenterOfRotation"):
        neutral = {1.0} if key.endswith("Slope") else {0.0}
        if key in fields and set(_numbers(fields, name, key)) - neutral:
            notes.append(f"{key} is kept in the header but not applied, as in ITK.")
    affine, spacing = _geometry(fields, len(sizes), name)
    (components,) = _whole(fields, name, "ElementNumberOfChannels", "1", least=1)
    (header_size,) = _whole(fields, name, "HeaderSize", "0", least=-1)
    longer = [size for size in sizes[3:] if size > 1]
    if len(longer) > 1 or (longer and components > 1):
        raise InputError(
            f"{name} has the sizes {tuple(sizes)} with {components} numbers per voxel: expected at most one axis "
            "longer than 1 beside the three of space; split it"
        )
    return MetaImageLayout(
        lines=lines,
        fields=fields,
        dtype=_dtype(fields, name).newbyteorder(order),
        order=order,
        spatial=tuple(sizes[:3]),
        times=longer[0] if longer else 1,
        components=components,
        compressed=_flag(fields, name, False, "CompressedData"),
        header_size=header_size,
        data_file=fields["ElementDataFile"],
        affine=affine,
        spacing=spacing,
        notes=tuple(notes),
    )


def _dtype(fields: dict[str, str], name: str) -> np.dtype:
    kind = fields.get("ElementType", "").upper().removesuffix("_ARRAY")
    if kind not in ELEMENT_TYPES:
        raise InputError(
            f"{name} has the ElementType {fields.get('ElementType', '')!r}: expected one of {', '.join(ELEMENT_TYPES)}"
        )
    return np.dtype(ELEMENT_TYPES[kind])


def _sizes(fields: dict[str, str], name: str) -> list[int]:
    (axes,) = _whole(fields, name, "NDims", least=1)
    if not 2 <= axes <= _MAX_AXES:
        raise InputError(f"{name} has {axes} axes: expected 2 to 4")
    sizes = _whole(fields, name, "DimSize", least=1)
    if len(sizes) != axes:
        raise InputError(f"{name} has {axes} axes but {len(sizes)} sizes (DimSize): expected one per axis")
    return sizes


def _geometry(fields: dict[str, str], axes: int, name: str) -> tuple[np.ndarray, tuple[float, ...]]:
    dims = min(axes, 3)
    spacing = np.array(_numbers(fields, name, "ElementSpacing", "ElementSize", default=[1.0] * axes))
    origin = np.array(_numbers(fields, name, "Offset", "Position", "Origin", default=[0.0] * axes))
    matrix = np.array(
        _numbers(fields, name, "TransformMatrix", "Rotation", "Orientation", default=np.eye(axes).ravel())
    )
    if len(spacing) != axes or len(origin) != axes or len(matrix) != axes * axes:
        raise InputError(f"{name} has a geometry for another number of axes than {axes}: expected one number per axis")
    if not (np.isfinite(spacing[:dims]).all() and (spacing[:dims] != 0).all()):
        raise InputError(f"{name} has the ElementSpacing {spacing[:dims].tolist()}: expected millimeters other than 0")
    scale = _MM_PER_UNIT.get(fields.get("DistanceUnits", "mm").lower(), 1.0)
    # Each row of the matrix is the direction of one axis.
    steps = matrix.reshape(axes, axes)[:dims, :dims].T * spacing[:dims] * scale
    affine = ras_affine(steps, origin[:dims] * scale, LPS, name)
    return affine, tuple(float(size) for size in np.abs(spacing[:dims]) * scale)


def _numbers(fields: dict[str, str], name: str, *keys: str, default: object = None) -> list[float]:
    key = next((key for key in keys if key in fields), None)
    if key is None:
        return list(default)  # type: ignore[call-overload]
    try:
        return [float(word) for word in fields[key].split()]
    except ValueError:
        raise InputError(f"{name} has a damaged header: {key} is not a list of numbers") from None


def _whole(fields: dict[str, str], name: str, key: str, default: str = "", least: int = 0) -> list[int]:
    words = fields.get(key, default).split()
    if not words or not all(word.removeprefix("-").isdigit() and word.isascii() and len(word) < 19 for word in words):
        raise InputError(f"{name} has a damaged header: {key} is {'missing' if not words else 'not a whole number'}")
    values = [int(word) for word in words]
    if min(values) < least:
        raise InputError(f"{name} has the {key} {values}: expected at least {least}")
    return values


def _flag(fields: dict[str, str], name: str, default: bool, *keys: str) -> bool:
    value = next((fields[key] for key in keys if key in fields), str(default)).lower()
    if value not in ("true", "false", "1", "0"):
        raise InputError(f"{name} has a damaged header: {keys[0]} is {value!r}; expected True or False")
    return value in ("true", "1")

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Headers of NRRD files (.nrrd, .nhdr): lines of ``field: value`` and ``key:=value``, checked, and kept as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np

from monai_diffdenoise.data.nrrd_axes import NrrdAxes, read_axes
from monai_diffdenoise.data.packed import Packing
from monai_diffdenoise.errors import InputError

__all__ = ["NRRD_TYPES", "NrrdLayout", "field_of", "read_layout"]

_ALIASES = {
    "int8": ("signed char", "int8", "int8_t"),
    "uint8": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "int16": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "uint16": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "int32": ("int", "signed int", "int32", "int32_t"),
    "uint32": ("uint", "unsigned int", "uint32", "uint32_t"),
    "int64": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "uint64": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "float32": ("float",),
    "float64": ("double",),
}
_DTYPES = {alias: dtype for dtype, aliases in _ALIASES.items() for alias in aliases}
NRRD_TYPES = {
    dtype: {"int8": "signed char", "float32": "float", "float64": "double"}.get(dtype, dtype) for dtype in _ALIASES
}
"""Number type here -> its name in the file."""

_PACKINGS: dict[str, Packing] = {
    "raw": "raw",
    "gzip": "gzip",
    "gz": "gzip",
    "bzip2": "bzip2",
    "bz2": "bzip2",
}
_MAX_HEADER = 4 << 20


@dataclass(frozen=True, eq=False)
class NrrdLayout:
    """What the header of a NRRD says.

    Args:
        lines: every line, with its line break: the magic, fields, key/value pairs, comments, the empty line.
        dtype: stored number type with its byte order.
        order: the byte order, "<" or ">", which a number type of one byte does not tell.
        axes: what the axes are and where they lie in space.
        packing: how the pixels are compressed.
        line_skip: lines before the pixels in their file.
        byte_skip: bytes before them, behind the skipped lines and after unpacking; -1 for so that they end the file.
        data_file: name of the data file, None when the pixels follow the header.
        notes: what the user should know.
    """

    lines: tuple[bytes, ...]
    dtype: np.dtype
    order: Literal["<", ">"]
    axes: NrrdAxes
    packing: Packing
    line_skip: int
    byte_skip: int
    data_file: str | None
    notes: tuple[str, ...]

    @property
    def length(self) -> int:
        """Bytes of the header."""
        return sum(len(line) for line in self.lines)


def field_of(line: bytes) -> tuple[str, str]:
    """Name and value of a field line; two empty texts for a comment, a key/value pair, the magic, an empty line.

    Names are in lower case without blanks: ``Space  Directions`` and ``spacedirections`` are one.
    """
    text = line.decode("latin-1").rstrip("\r\n")
    found = re.match(r"([^:#]+): *(.*)", text)
    # A key/value pair has := where a field has a colon and a blank.
    if found is None or re.match(r"[^:]*:=", text) or text.startswith("#"):
        return "", ""
    return found[1].replace(" ", "").lower(), found[2].strip()


def read_layout(stream: BinaryIO, name: str) -> NrrdLayout:
    """Read a header up to the empty line that ends it, or to the end of a file that holds the header only.

    Args:
        stream: the file, at its start.
        name: how messages call it.

    Raises:
        InputError: not a NRRD, truncated, or of a kind that is not denoised.
    """
    magic = stream.readline(64)
    if not re.fullmatch(rb"NRRD000[1-5]\r?\n", magic):
        raise InputError(f"{name} is not a NRRD file: its first line is not one of NRRD0001 to NRRD0005")
    lines, fields, room = [magic], {}, _MAX_HEADER
    while line := stream.readline(room):
        lines.append(line)
        room -= len(line)
        if room <= 0:
            raise InputError(f"{name} has a header of more than {_MAX_HEADER} bytes: expected an empty line at its end")
        if not line.strip(b"\r\n"):
            break
        field, value = field_of(line)
        if not field and not line.startswith(b"#") and b":=" not in line:
            raise InputError(f"{name} has a damaged header: line {len(lines)} is no field, key/value pair or comment")
        if field and field in fields:
            raise InputError(f"{name} has a damaged header: the field {field!r} comes twice")
        fields[field] = value
    ended = not lines[-1].strip(b"\r\n")
    data_file = fields.get("datafile")
    if data_file is None and not ended:
        raise InputError(f"{name} is cut off inside its header: expected a complete NRRD file")
    return _interpret(tuple(lines), fields, data_file, name)


def _interpret(lines: tuple[bytes, ...], fields: dict[str, str], data_file: str | None, name: str) -> NrrdLayout:
    if data_file is not None and re.match(r"LIST\b|.*%\d*d", data_file):
        raise InputError(f"{name} spreads its data over several files: expected one; convert it first")
    encoding = fields.get("encoding", "").lower()
    if encoding not in _PACKINGS:
        raise InputError(
            f"{name} has the encoding {encoding!r}: expected one of {', '.join(sorted(_PACKINGS))}; convert it first"
        )
    dtype = _DTYPES.get(" ".join(fields.get("type", "").lower().split()))
    if dtype is None:
        raise InputError(f"{name} has the type {fields.get('type', '')!r}: expected one of {', '.join(NRRD_TYPES)}")
    endian = fields.get("endian", "").lower()
    if endian not in ("little", "big") and np.dtype(dtype).itemsize > 1:
        raise InputError(f"{name} does not say its byte order (endian: little or big): expected that for {dtype}")
    order: Literal["<", ">"] = ">" if endian == "big" else "<"
    line_skip, byte_skip = (_skip(fields, field, name) for field in ("lineskip", "byteskip"))
    if line_skip < 0 or (byte_skip < 0 and _PACKINGS[encoding] != "raw"):
        raise InputError(
            f"{name} skips {line_skip} lines and {byte_skip} bytes: expected at least 0, or -1 bytes of raw data"
        )
    notes = []
    if {"oldmin", "oldmax"} & fields.keys():
        notes.append("The fields old min and old max are kept in the header but not applied, as in ITK.")
    axes = read_axes(fields, name)
    return NrrdLayout(
        lines=lines,
        dtype=np.dtype(dtype).newbyteorder(order),
        order=order,
        axes=axes,
        packing=_PACKINGS[encoding],
        line_skip=line_skip,
        byte_skip=byte_skip,
        data_file=data_file,
        notes=(*notes, *axes.notes),
    )


def _skip(fields: dict[str, str], field: str, name: str) -> int:
    text = fields.get(field, "0")
    if not re.fullmatch(r"\d{1,15}|-1", text, re.ASCII):
        raise InputError(f"{name} has a damaged header: {field} is {text!r}, expected a number of at least -1")
    return int(text)

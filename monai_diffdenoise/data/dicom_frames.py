# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the frames of a DICOM file lie, so that one can be read without the others.

A multi-frame file of gigabytes is read frame by frame with the memory of one frame. Only a deflated file has to be
inflated from its beginning and is held.
"""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import FileDataset
from pydicom.tag import Tag
from pydicom.uid import UID

from monai_diffdenoise.data.codestream import FrameError
from monai_diffdenoise.data.dicom_files import quiet, read_dataset
from monai_diffdenoise.data.fingerprint import Fingerprint

__all__ = ["PixelData", "pixel_data_of", "read_pixel_header"]

_TAGS = [
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData",
]
_PIXEL_DATA = 0x7FE00010
_ITEM, _END = 0xFFFEE000, 0xFFFEE0DD
_MAX_FRAGMENTS = 1 << 20
# Where JPEG streams end; padding may follow.
_LAST_BYTES = 10


@dataclass(frozen=True, eq=False)
class PixelData:
    """The pixels of one DICOM object, not yet read.

    Args:
        header: the attributes that say how to read them.
        syntax: transfer syntax.
        representation: value representation of the pixel data ("OW", "OB").
        start: where the value begins, bytes.
        length: bytes of the value that are there.
        path: the file, or None when ``held`` has the value.
        held: the value itself.
        fragments: for compressed pixels: for each frame the (start, length) of its parts.
    """

    header: FileDataset
    syntax: UID
    representation: str
    start: int = 0
    length: int = 0
    path: Path | None = None
    held: bytes = b""
    fragments: Sequence[Sequence[tuple[int, int]]] = ()

    @property
    def frames(self) -> int:
        """How many frames the header announces."""
        return int(self.header.get("NumberOfFrames") or 1)

    def open(self) -> BinaryIO:
        """Open the pixels at the start of their value."""
        if self.path is None:
            return io.BytesIO(self.held)
        stream = open(self.path, "rb")  # noqa: SIM115 - the caller closes it
        stream.seek(self.start)
        return stream

    def compressed(self, frame: int, most: int) -> bytes:
        """Read one compressed frame.

        Args:
            frame: its index.
            most: bytes that it may have.

        Raises:
            FrameError: no such frame, or a longer one.
        """
        if frame >= len(self.fragments):
            raise FrameError(f"{len(self.fragments)} compressed frame(s), frame {frame + 1} is missing")
        parts = self.fragments[frame]
        if sum(length for _, length in parts) > most:
            raise FrameError(f"more than {most} compressed bytes for one frame")
        with self.open() as stream:
            pieces = []
            for start, length in parts:
                stream.seek(start)
                pieces.append(stream.read(length))
        return b"".join(pieces)


def pixel_data_of(dataset: FileDataset) -> PixelData:
    """The pixels of a dataset that was read as a whole.

    Raises:
        FrameError: no pixel data, or compressed frames that cannot be told apart.
    """
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    element = dataset["PixelData"]
    held = element.value
    if not isinstance(held, bytes):
        raise FrameError("no pixel data")
    fragments = _fragments(io.BytesIO(held), 0, len(held), dataset) if syntax.is_encapsulated else ()
    return PixelData(dataset, syntax, element.VR, length=len(held), held=held, fragments=fragments)


@functools.lru_cache(maxsize=2)
def read_pixel_header(file: Fingerprint) -> PixelData:
    """Find the pixels in a file; the last results are remembered, for the files with many frames.

    Args:
        file: the file, as it was when it was first read.

    Raises:
        FrameError: no pixel data, or compressed frames that cannot be told apart.
    """
    with quiet(), open(file.path, "rb") as stream:
        bare = stream.read(132)[128:] != b"DICM"
        stream.seek(0)
        syntax = (
            UID("") if bare else UID(pydicom.filereader.read_file_meta_info(file.path).get("TransferSyntaxUID", ""))
        )
        if not syntax or syntax.is_deflated:
            # Without a transfer syntax read_dataset works it out.
            dataset = read_dataset(file.path)
            if dataset is None:
                raise FrameError("no pixel data")
            return pixel_data_of(dataset)
        header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=[Tag(tag) for tag in _TAGS])
        representation, length = _element(stream, syntax)
        start = stream.tell()
        end = min(stream.seek(0, io.SEEK_END), start + length)
        fragments = _fragments(stream, start, end, header) if syntax.is_encapsulated else ()
    return PixelData(header, syntax, representation, start, end - start, file.path, fragments=fragments)


def _element(stream: BinaryIO, syntax: UID) -> tuple[str, int]:
    """Read the head of the pixel data element; returns its representation and length."""
    order = "<" if syntax.is_little_endian else ">"
    group, element = struct.unpack(f"{order}HH", stream.read(4))
    if group << 16 | element != _PIXEL_DATA:
        raise FrameError("no pixel data")
    if syntax.is_implicit_VR:
        return "OW", struct.unpack(f"{order}L", stream.read(4))[0]
    representation, length = struct.unpack(f"{order}2s2xL", stream.read(8))
    return representation.decode("ascii", "replace"), length


def _fragments(stream: BinaryIO, start: int, end: int, header: FileDataset) -> list[list[tuple[int, int]]]:
    """List for each frame where its parts lie."""
    frames = int(header.get("NumberOfFrames") or 1)
    stream.seek(start)
    tag, length = _item(stream)
    if tag != _ITEM or length > end - start:
        raise FrameError("no table of frames")
    table = stream.read(length)
    first = stream.tell()
    parts: list[tuple[int, int]] = []
    place = first
    while place + 8 <= end:
        stream.seek(place)
        tag, length = _item(stream)
        if tag == _END:
            break
        if tag != _ITEM or place + 8 + length > end or len(parts) >= _MAX_FRAGMENTS:
            raise FrameError("compressed frames that are damaged or cut off")
        parts.append((place + 8, length))
        place += 8 + length
    if len(parts) == frames:
        return [[part] for part in parts]
    if frames == 1:
        return [parts]
    return _grouped(stream, parts, first, table, frames)


def _item(stream: BinaryIO) -> tuple[int, int]:
    group, element, length = struct.unpack("<HHL", stream.read(8))
    return group << 16 | element, length


def _grouped(
    stream: BinaryIO, parts: list[tuple[int, int]], first: int, table: bytes, frames: int
) -> list[list[tuple[int, int]]]:
    """Tell which parts belong to which frame: by the table of offsets, else by the marker that ends a JPEG frame.

    The extended table of offsets is for frames in one part each, which need no table here.
    """
    if len(table) == 4 * frames:
        starts = set(struct.unpack(f"<{frames}L", table))
        begins = [start - 8 - first in starts for start, _ in parts]
    else:
        begins = [True]
        for start, length in parts[:-1]:
            stream.seek(start + max(0, length - _LAST_BYTES))
            begins.append(b"\xff\xd9" in stream.read(min(length, _LAST_BYTES)))
    groups: list[list[tuple[int, int]]] = []
    for begin, part in zip(begins, parts, strict=True):
        if begin or not groups:
            groups.append([])
        groups[-1].append(part)
    if len(groups) != frames:
        raise FrameError(f"{len(groups)} compressed frame(s) instead of {frames}")
    return groups

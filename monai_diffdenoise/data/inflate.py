# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Deflated DICOM files, inflated only as far as they are read and never beyond what they declare.

A deflate stream grows up to a thousandfold, so a file of 10 MB can ask for 10 GB.
"""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from monai_diffdenoise.errors import InputError

__all__ = ["InflatedFile", "inflated"]

_PREAMBLE = 132
_CHUNK = 1 << 16
_MARGIN = 64 << 20
"""Bytes that everything but the pixels may take; real headers stay far below."""
_MAX_RATIO = 200
"""More than this, deflated images of some size do not shrink: the empty air in them is noisy, too."""
_SIZE_TAGS = ["Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "BitsAllocated"]


class InflatedFile(io.BufferedIOBase):
    """A deflated DICOM file as if it were an ordinary one in Explicit VR Little Endian.

    Args:
        head: the preamble and the file meta information, which are never deflated.
        packed: the file, at the start of its deflated part.

    Reading past ``limit`` bytes raises InputError.
    """

    def __init__(self, head: bytes, packed: BinaryIO) -> None:
        self._packed = packed
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        # The two UIDs differ by their last three characters, and null bytes at the end of a UID are padding.
        plain = ExplicitVRLittleEndian.encode().ljust(len(DeflatedExplicitVRLittleEndian), b"\0")
        self._held = bytearray(head.replace(DeflatedExplicitVRLittleEndian.encode(), plain))
        self._position, self._ended = 0, False
        self.limit = len(head) + _MARGIN

    def allow_pixels(self, packed_size: int) -> None:
        """Raise the limit by the pixels that the header declares.

        Args:
            packed_size: bytes of the whole deflated file.
        """
        self.seek(0)
        header = pydicom.dcmread(self, stop_before_pixels=True, specific_tags=_SIZE_TAGS)
        self.limit = min(self.tell() + _declared(header) + _MARGIN, max(_MARGIN, packed_size * _MAX_RATIO))
        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes; all for None or -1."""
        end = self.limit + 1 if size is None or size < 0 else self._position + size
        self._inflate(end)
        data = bytes(self._held[self._position : end])
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a place; from the end only after all was read."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence, len(self._held))
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        """The place where the next byte is read."""
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def _inflate(self, end: int) -> None:
        while len(self._held) < min(end, self.limit + 1) and not self._ended:
            packed = self._inflater.unconsumed_tail or self._packed.read(_CHUNK)
            piece = self._inflater.decompress(packed, _CHUNK)
            self._held += piece
            # Neither input nor output: the file is cut off, which shows where the pixels are decoded.
            self._ended = self._inflater.eof or not (packed or piece)
        if end > self.limit and len(self._held) > self.limit:
            raise InputError("a deflated file inflates to more than the pixels that it declares: it is damaged")


def _declared(header: Dataset) -> int:
    """Bytes of pixels that a header announces."""
    numbers = [int(header.get(key) or 1) for key in _SIZE_TAGS]
    total = 1
    for number in numbers:
        total *= max(number, 0)
    return total // 8 + 1


@contextlib.contextmanager
def inflated(path: Path) -> Iterator[InflatedFile | None]:
    """Open a file if it is deflated DICOM.

    Args:
        path: any file.

    Yields:
        the inflated file; None for all others.
    """
    with open(path, "rb") as stream:
        head = stream.read(_PREAMBLE + 12)
        if len(head) < _PREAMBLE + 12 or head[_PREAMBLE - 4 : _PREAMBLE + 4] != b"DICM\x02\0\0\0":
            yield None
            return
        head += stream.read(min(int.from_bytes(head[-4:], "little"), _CHUNK))
        if DeflatedExplicitVRLittleEndian.encode() not in head[_PREAMBLE:]:
            yield None
            return
        with InflatedFile(head, stream) as file:
            yield file

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One DICOM object to a stream: the header, then the pixels frame by frame, so that only one frame is in memory."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.filebase import DicomIO
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag

__all__ = ["MOST_PIXEL_BYTES", "write_object"]

MOST_PIXEL_BYTES = 2**32 - 2
"""The length of uncompressed pixel data is an even number of 32 bits, and all ones means something else."""

_PIXEL_DATA = Tag("PixelData")


def write_object(
    stream: BinaryIO, header: FileDataset, frames: Iterable[np.ndarray], frame_bytes: int, count: int
) -> None:
    """Write an object with native pixel data, explicit VR little-endian.

    Args:
        stream: a seekable file, at its beginning.
        header: everything but the pixels, with the file meta information.
        frames: (rows, columns) integers each, in the object's number type.
        frame_bytes: bytes of a frame.
        count: how many frames there are.

    Raises:
        ValueError: the frames are not what was announced.
    """
    tail = Dataset()
    for tag in [tag for tag in list(header.keys()) if tag > _PIXEL_DATA]:
        tail._dict[tag] = header._dict.pop(tag)
    # save_as would refuse to turn big-endian sources around.
    pydicom.dcmwrite(stream, header, implicit_vr=False, little_endian=True, enforce_file_format=True)
    size = frame_bytes * count
    representation = b"OB" if frame_bytes == int(header.Rows) * int(header.Columns) else b"OW"
    stream.write(struct.pack("<HH2sHI", _PIXEL_DATA.group, _PIXEL_DATA.element, representation, 0, size + size % 2))
    written = 0
    for frame in frames:
        raw = np.ascontiguousarray(frame).astype(frame.dtype.newbyteorder("<"), copy=False).tobytes()
        if len(raw) != frame_bytes:
            raise ValueError(f"a frame has {len(raw)} bytes: expected {frame_bytes}")
        written += stream.write(raw)
    if written != size:
        raise ValueError(f"{written} bytes of pixels: expected {size}")
    stream.write(b"\0" * (size % 2))
    if tail:
        rest = DicomIO(stream)
        rest.is_implicit_VR, rest.is_little_endian = False, True
        tail.set_original_encoding(*header.original_encoding)
        write_dataset(rest, tail)

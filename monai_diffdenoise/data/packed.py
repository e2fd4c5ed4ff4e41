# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Files whose pixels may be compressed: opened, read exactly, and never asked for more than they can hold."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, cast

from monai_diffdenoise.errors import InputError

__all__ = ["Packing", "finish", "is_gzip", "largest_unpacked", "open_file", "open_packed", "read_exactly", "translated"]

Packing = Literal["raw", "gzip", "zlib", "bzip2"]

# DEFLATE cannot compress better than this, so a file that declares more is damaged or hostile.
_DEFLATE_RATIO = 1032
# bzip2 has no such limit; beyond this size a volume that packs better than DEFLATE could is not believed.
_BZIP2_FLOOR = 64 << 20
# What may follow the pixels in a compressed stream and is still read, to reach the checksum.
_MAX_TAIL = 1 << 24
_CHUNK = 1 << 18


class _ZlibReader:
    """A zlib stream as a file that is read forward."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._unpack = zlib.decompressobj()

    def read(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count > 0 and not self._unpack.eof:
            packed = self._unpack.unconsumed_tail or self._stream.read(_CHUNK)
            part = self._unpack.decompress(packed, count)
            if not packed and not part:
                raise EOFError("the zlib stream ends before its checksum")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading.

    Raises:
        InputError: there is no such file, or it may not be read.
    """
    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): expected an existing, readable file") from error


@contextlib.contextmanager
def open_packed(path: Path, packing: Packing, offset: int = 0, skip: int = 0) -> Iterator[BinaryIO]:
    """Open a file behind its header, at its first pixel.

    Args:
        path: the file.
        packing: how the bytes from ``offset`` on are compressed.
        offset: bytes to pass over in the file as it lies on the disk.
        skip: bytes to pass over after unpacking.

    Yields:
        an object with ``read(count)``, which returns fewer bytes at the end only.

    Raises:
        InputError: the file cannot be read or unpacked.
    """
    with open_file(path) as file:
        with translated(path):
            file.seek(offset)
        stream: object = file
        if packing == "gzip":
            stream = gzip.GzipFile(fileobj=file, mode="rb")
        elif packing == "zlib":
            # Some writers put a gzip stream where zlib is meant, and the readers of ITK take it.
            magic = file.read(2)
            file.seek(offset)
            stream = gzip.GzipFile(fileobj=file, mode="rb") if magic == b"\x1f\x8b" else _ZlibReader(file)
        elif packing == "bzip2":
            stream = bz2.BZ2File(file, "rb")
        opened = cast(BinaryIO, stream)
        left = skip
        while left > 0:
            left -= len(read_exactly(opened, min(left, _CHUNK), path))
        yield opened


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what a damaged stream or a failing disk raises into one clear line."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is cut off or damaged: its compressed data cannot be unpacked") from error
    except OSError as error:
        if error.errno is None:  # so does bz2 say that the data are damaged
            raise InputError(f"{path} is cut off or damaged: its compressed data cannot be unpacked") from error
        raise InputError(f"cannot read {path} ({error.strerror or 'read error'})") from error


def read_exactly(stream: BinaryIO, count: int, path: Path) -> bytes:
    """Read ``count`` bytes.

    Raises:
        InputError: the file ends before that, or is damaged.
    """
    with translated(path):
        raw = stream.read(count)
    if len(raw) < count:
        raise InputError(f"{path} is cut off: fewer voxels in the file than its header declares")
    return raw


def finish(stream: BinaryIO, path: Path) -> None:
    """Read on to the end of a compressed stream: only there is its checksum compared.

    Raises:
        InputError: the checksum is wrong, or the stream is cut off.
    """
    with translated(path):
        left = _MAX_TAIL
        while left > 0:
            tail = stream.read(min(left, _CHUNK))
            if not tail:
                return
            left -= len(tail)


def largest_unpacked(packing: Packing, size: int) -> int:
    """The most bytes that ``size`` bytes on the disk can stand for, so that small files cannot ask for much memory."""
    if packing == "raw":
        return size
    most = size * _DEFLATE_RATIO
    return max(most, _BZIP2_FLOOR) if packing == "bzip2" else most


def is_gzip(path: Path) -> bool:
    """Whether a file starts as gzip streams do."""
    with open_file(path) as stream, translated(path):
        return stream.read(2) == b"\x1f\x8b"

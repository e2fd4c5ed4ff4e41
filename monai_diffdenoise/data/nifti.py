# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""NIfTI files (.nii, .nii.gz) in: pixels streamed, never held twice."""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from monai_diffdenoise.data.encoding import Block, Encoding
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.nifti_header import NiftiLayout, read_layout
from monai_diffdenoise.data.volume import Volume, assemble, pick_slice_axis
from monai_diffdenoise.errors import InputError

__all__ = ["NiftiSource", "is_nifti", "read_nifti"]

_BLOCK_VOXELS = 1 << 19
# DEFLATE cannot compress better than this, so a file that declares more is damaged or hostile.
_GZIP_RATIO = 1032
# What may follow the pixels in a compressed file and is still read, to reach the checksum.
_MAX_TAIL = 1 << 24


@dataclass(frozen=True, eq=False)
class NiftiSource:
    """Provenance of a volume that came from a NIfTI file.

    Args:
        path: the file.
        fingerprint: to notice that the file changed before the result was written.
        layout: header, extensions, number type, scaling.
    """

    path: Path
    fingerprint: Fingerprint
    layout: NiftiLayout
    format: str = "nifti"

    @property
    def native(self) -> Encoding:
        """How the file stores its values."""
        return Encoding(self.layout.dtype.newbyteorder("="), self.layout.slope, self.layout.inter)

    def blocks(self) -> Iterator[Block]:
        """Yield runs of whole planes in the order of the file.

        Raises:
            InputError: truncated or damaged pixels, or the file changed since it was opened.
        """
        self.fingerprint.check()
        spatial, last = self.layout.spatial[:-1], self.layout.spatial[-1]
        plane = math.prod(spatial)
        step = max(1, _BLOCK_VOXELS // plane)
        native = self.native
        with _open(self.path) as stream:
            with _translated(self.path):
                stream.seek(len(self.layout.prefix))
            for channel in range(self.layout.channels):
                for start in range(0, last, step):
                    stop = min(start + step, last)
                    raw = _read_exactly(stream, plane * (stop - start) * self.layout.dtype.itemsize, self.path)
                    stored = np.frombuffer(raw, self.layout.dtype).reshape((*spatial, stop - start), order="F")
                    index = (slice(channel, channel + 1), *(slice(None) for _ in spatial), slice(start, stop))
                    yield Block(index, stored.astype(native.dtype)[None], native.slope, native.inter)
            _read_tail(stream, self.path)


def is_nifti(path: Path) -> bool:
    """Whether the first bytes of a file, unpacked if need be, are those of a NIfTI header."""
    with contextlib.suppress(InputError, OSError, EOFError, zlib.error), _open(path) as stream:
        head = stream.read(4)
        return len(head) == 4 and bool({348, 540} & {int.from_bytes(head, order) for order in ("little", "big")})
    return False


def read_nifti(path: str | os.PathLike[str]) -> Volume:
    """Read a NIfTI-1 or NIfTI-2 file with 2, 3 or 4 axes of one real number per voxel.

    Args:
        path: the file; whether it is compressed is seen from its content.

    Returns:
        the volume; a fourth axis becomes C, further axes of length 1 are dropped and come back on writing.

    Raises:
        InputError: not such a file, damaged, truncated, or without a finite voxel.
    """
    path = Path(path)
    fingerprint = Fingerprint.of(path)
    if fingerprint.size == 0:
        raise InputError(f"{path} is empty (0 bytes): expected a NIfTI file")
    with _translated(path), _open(path) as stream:
        layout = read_layout(stream, str(path))
        packed = _is_packed(stream)
    room = fingerprint.size * _GZIP_RATIO if packed else fingerprint.size - len(layout.prefix)
    if layout.data_bytes > room:
        raise InputError(
            f"{path} is cut off or damaged: its header declares {layout.data_bytes} bytes of voxels, "
            f"the file can hold {max(room, 0)} at most"
        )
    source = NiftiSource(path, fingerprint, layout)
    axis = pick_slice_axis(layout.spatial, layout.spacing, layout.slice_axis)
    return assemble(source, (layout.channels, *layout.spatial), layout.affine, layout.spacing, axis)


def _open(path: Path) -> BinaryIO:
    try:
        stream = open(path, "rb")  # noqa: SIM115 - handed to the caller
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): expected an existing, readable file") from error
    magic = stream.read(2)
    stream.seek(0)
    if magic != b"\x1f\x8b":
        return stream
    stream.close()
    return cast(BinaryIO, gzip.open(path, "rb"))


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what a damaged gzip stream raises into one clear line."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is cut off or damaged: its compressed data cannot be unpacked") from error
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or 'read error'})") from error


def _read_exactly(stream: BinaryIO, count: int, path: Path) -> bytes:
    with _translated(path):
        raw = stream.read(count)
    if len(raw) < count:
        raise InputError(f"{path} is cut off: fewer voxels in the file than its header declares")
    return raw


def _is_packed(stream: object) -> bool:
    return isinstance(stream, gzip.GzipFile)


def _read_tail(stream: BinaryIO, path: Path) -> None:
    # The checksum of a gzip stream is only compared when its end is read.
    if _is_packed(stream):
        with _translated(path):
            stream.read(_MAX_TAIL)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""NIfTI files (.nii, .nii.gz, pairs of .hdr and .img) in: pixels streamed, never held twice."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from monai_diffdenoise.data.encoding import Block, Encoding
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.float_range import with_range_notes
from monai_diffdenoise.data.nifti_header import NiftiLayout, read_layout
from monai_diffdenoise.data.packed import Packing, is_gzip, open_packed, translated
from monai_diffdenoise.data.stored_pixels import StoredPixels
from monai_diffdenoise.data.volume import Volume, assemble, pick_slice_axis
from monai_diffdenoise.errors import InputError

__all__ = ["NiftiSource", "is_nifti", "read_nifti"]


@dataclass(frozen=True, eq=False)
class NiftiSource:
    """Provenance of a volume that came from a NIfTI file.

    Args:
        path: the file; of a pair the .hdr file.
        fingerprint: to notice that the file changed before the result was written.
        layout: header, extensions, number type, scaling.
        pixels: where the voxels are.
    """

    path: Path
    fingerprint: Fingerprint
    layout: NiftiLayout
    pixels: StoredPixels
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
        return self.pixels.blocks(self.layout.slope, self.layout.inter)


def is_nifti(path: Path) -> bool:
    """Whether the first bytes of a file, unpacked if need be, are those of a NIfTI header."""
    with contextlib.suppress(InputError, EOFError, zlib.error), _opened(path) as stream:
        head = stream.read(4)
        return len(head) == 4 and bool({348, 540} & {int.from_bytes(head, order) for order in ("little", "big")})
    return False


def read_nifti(path: str | os.PathLike[str]) -> Volume:
    """Read a NIfTI-1 or NIfTI-2 file of one real number per voxel, or with one axis beyond those of space.

    Args:
        path: the file, or the .hdr file of a pair; whether it is compressed is seen from its content.

    Returns:
        the volume; the axis beyond space becomes C, further axes of length 1 are dropped and come back on writing.
        Bytes behind the voxels are no part of a NIfTI image and are not kept.

    Raises:
        InputError: not such a file, damaged, truncated, or without a finite voxel.
    """
    path = Path(path)
    fingerprint = Fingerprint.of(path)
    if fingerprint.size == 0:
        raise InputError(f"{path} is empty (0 bytes): expected a NIfTI file")
    with _opened(path) as stream, translated(path):
        layout = read_layout(stream, str(path))
    data = _data_file(path) if layout.paired else path
    packing: Packing = "gzip" if is_gzip(data) else "raw"
    pixels = StoredPixels(
        Fingerprint.of(data),
        layout.dtype,
        layout.spatial,
        layout.channels,
        len(layout.spatial),
        packing,
        offset=layout.offset if packing == "raw" else 0,
        skip=0 if packing == "raw" else layout.offset,
    )
    pixels.check_room()
    source = NiftiSource(path, fingerprint, layout, pixels)
    axis = pick_slice_axis(layout.spatial, layout.spacing, layout.slice_axis)
    volume = assemble(source, pixels.shape, layout.affine, layout.spacing, axis, layout.kind, layout.notes)
    return with_range_notes(volume)


def _opened(path: Path) -> contextlib.AbstractContextManager[BinaryIO]:
    return open_packed(path, "gzip" if is_gzip(path) else "raw")


def _data_file(header: Path) -> Path:
    """The .img file that belongs to a .hdr file."""
    stem = header.name[: header.name.lower().rfind(".hdr")] if ".hdr" in header.name.lower() else header.stem
    for name in (f"{stem}.img", f"{stem}.img.gz", f"{stem}.IMG", f"{stem}.IMG.GZ"):
        if (header.parent / name).is_file():
            return header.parent / name
    raise InputError(f"{header} is the header of a pair whose other file is missing: expected {stem}.img beside it")

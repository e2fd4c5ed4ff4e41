# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""NRRD files (.nrrd, or .nhdr with a data file beside it) in: pixels streamed, never held twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from monai_diffdenoise.data.beside import data_file_beside
from monai_diffdenoise.data.encoding import Block, Encoding
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.float_range import with_range_notes
from monai_diffdenoise.data.nrrd_header import NrrdLayout, read_layout
from monai_diffdenoise.data.packed import open_file, translated
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.data.stored_pixels import StoredPixels
from monai_diffdenoise.data.volume import Volume, assemble, pick_slice_axis
from monai_diffdenoise.errors import InputError

__all__ = ["NrrdSource", "is_nrrd", "read_nrrd"]

_MAX_LINE = 1 << 20


@dataclass(frozen=True, eq=False)
class NrrdSource:
    """Provenance of a volume that came from a NRRD.

    Args:
        path: the file with the header.
        fingerprint: of that file.
        layout: what the header says.
        pixels: where the voxels are.
    """

    path: Path
    fingerprint: Fingerprint
    layout: NrrdLayout
    pixels: StoredPixels
    format: str = "nrrd"

    @property
    def native(self) -> Encoding:
        """How the file stores its values."""
        return Encoding(self.layout.dtype.newbyteorder("="))

    def blocks(self) -> Iterator[Block]:
        """Yield runs of whole planes.

        Raises:
            InputError: truncated or damaged pixels, or a file that changed since it was opened.
        """
        self.fingerprint.check()
        return self.pixels.blocks()


def is_nrrd(path: Path) -> bool:
    """Whether a file starts as NRRD files do."""
    with open_file(path) as stream, translated(path):
        return stream.read(7) == b"NRRD000"


def read_nrrd(path: str | os.PathLike[str], options: ReadOptions | None = None) -> Volume:
    """Read a NRRD of 2 or 3 spatial axes, with at most one axis of another kind.

    A space that says nothing of the patient is taken as LPS, as ITK does. A data file must lie beside the header or
    below it.

    Args:
        path: the .nrrd or .nhdr file.
        options: ``color="gray"`` takes the gray value of a color axis of whole numbers.

    Raises:
        InputError: not such a file, damaged, truncated, color that was not asked for, or without a finite voxel.
    """
    path, options = Path(path), options if options is not None else ReadOptions()
    options.only(f"{path} is a NRRD file", "color")
    fingerprint = Fingerprint.of(path)
    if fingerprint.size == 0:
        raise InputError(f"{path} is empty (0 bytes): expected a NRRD file")
    with open_file(path) as stream, translated(path):
        layout = read_layout(stream, str(path))
    axes, notes = layout.axes, [*layout.notes]
    if axes.color:
        if options.color == "refuse":
            raise InputError(
                f"{path} holds color: expected one number per voxel; take its gray value with --color gray"
            )
        if layout.dtype.kind != "u" or axes.channels not in (3, 4):
            raise InputError(
                f"{path} holds color as {axes.channels} x {layout.dtype.name}: expected 3 or 4 unsigned integers"
            )
        notes.append("Color was turned into gray and is written as gray.")
    pixels = _locate(path, layout)
    pixels.check_room()
    source = NrrdSource(path, fingerprint, layout, pixels)
    axis = pick_slice_axis(axes.spatial, axes.spacing)
    kind = "time" if axes.color else axes.kind
    return with_range_notes(assemble(source, pixels.shape, axes.affine, axes.spacing, axis, kind, notes))


def _locate(path: Path, layout: NrrdLayout) -> StoredPixels:
    data = path if layout.data_file is None else data_file_beside(path, layout.data_file)
    offset = layout.length if layout.data_file is None else 0
    if layout.line_skip:
        offset = _behind_lines(data, offset, layout.line_skip)
    raw, skip = layout.packing == "raw", max(layout.byte_skip, 0)
    pixels = StoredPixels(
        Fingerprint.of(data),
        layout.dtype,
        layout.axes.spatial,
        layout.axes.channels,
        layout.axes.channel_axis,
        layout.packing,
        # Bytes are skipped after unpacking, lines before it.
        offset=offset + (skip if raw else 0),
        skip=0 if raw else skip,
        gray=layout.axes.color,
    )
    if layout.byte_skip >= 0:
        return pixels
    start = pixels.fingerprint.size - pixels.data_bytes
    if start < offset:
        raise InputError(f"{path} is cut off: fewer voxels in the file than its header declares")
    return replace(pixels, offset=start)


def _behind_lines(data: Path, offset: int, lines: int) -> int:
    with open_file(data) as stream, translated(data):
        stream.seek(offset)
        for _ in range(lines):
            if not stream.readline(_MAX_LINE).endswith(b"\n"):
                raise InputError(f"{data} is cut off or damaged: its header asks to skip {lines} lines of text")
        return stream.tell()

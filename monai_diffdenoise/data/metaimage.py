# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""MetaImage files (.mha, or .mhd with a data file beside it) in: pixels streamed, never held twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monai_diffdenoise.data.beside import data_file_beside
from monai_diffdenoise.data.encoding import Block, Encoding
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.float_range import with_range_notes
from monai_diffdenoise.data.metaimage_header import MetaImageLayout, read_layout
from monai_diffdenoise.data.packed import open_file, translated
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.data.stored_pixels import StoredPixels
from monai_diffdenoise.data.volume import Volume, assemble, pick_slice_axis
from monai_diffdenoise.errors import InputError

__all__ = ["COLORS", "MetaImageSource", "is_metaimage", "read_metaimage"]

# The format does not tell three parts of a value from red, green and blue; of bytes, they are taken for colors.
COLORS = (3, 4)


@dataclass(frozen=True, eq=False)
class MetaImageSource:
    """Provenance of a volume that came from a MetaImage.

    Args:
        path: the file with the header.
        fingerprint: of that file.
        layout: what the header says.
        pixels: where the voxels are.
    """

    path: Path
    fingerprint: Fingerprint
    layout: MetaImageLayout
    pixels: StoredPixels
    format: str = "metaimage"

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


def is_metaimage(path: Path) -> bool:
    """Whether a file starts as MetaImage headers do."""
    with open_file(path) as stream, translated(path):
        return stream.read(64).lstrip().startswith((b"ObjectType ", b"ObjectType=", b"NDims ", b"NDims="))


def read_metaimage(path: str | os.PathLike[str], options: ReadOptions | None = None) -> Volume:
    """Read a MetaImage of 2 or 3 spatial axes, with time points or several numbers per voxel.

    Space is taken as LPS millimeters, as ITK does. A data file must lie beside the header or below it.

    Args:
        path: the .mha or .mhd file.
        options: ``color="gray"`` takes three or four bytes per voxel as red, green, blue and opacity.

    Raises:
        InputError: not such a file, damaged, truncated, color that was not asked for, or without a finite voxel.
    """
    path, options = Path(path), options if options is not None else ReadOptions()
    options.only(f"{path} is a MetaImage", "color")
    fingerprint = Fingerprint.of(path)
    if fingerprint.size == 0:
        raise InputError(f"{path} is empty (0 bytes): expected a MetaImage")
    with open_file(path) as stream, translated(path):
        layout = read_layout(stream, str(path))
    color = layout.dtype.name == "uint8" and layout.components in COLORS
    if color and options.color == "refuse":
        raise InputError(
            f"{path} holds color ({layout.components} bytes per voxel): expected one number per voxel; take its gray "
            "value with --color gray"
        )
    pixels = _locate(path, layout, color)
    pixels.check_room()
    notes = [*layout.notes]
    if color:
        notes.append("Color was turned into gray and is written as gray.")
    source = MetaImageSource(path, fingerprint, layout, pixels)
    axis = pick_slice_axis(layout.spatial, layout.spacing)
    kind = "time" if color else layout.kind
    return with_range_notes(assemble(source, pixels.shape, layout.affine, layout.spacing, axis, kind, notes))


def _locate(path: Path, layout: MetaImageLayout, color: bool) -> StoredPixels:
    local = layout.data_file.upper() == "LOCAL"
    if not local and layout.data_file.upper().split(" ")[0] == "LIST":
        raise InputError(f"{path} spreads its data over several files: expected one; convert it first")
    data = path if local else data_file_beside(path, layout.data_file)
    inside: dict[str, Any] = {"channels": layout.times, "channel_axis": len(layout.spatial)}
    if layout.components > 1:
        inside = {"channels": layout.components, "channel_axis": 0}
    pixels = StoredPixels(
        Fingerprint.of(data),
        layout.dtype,
        layout.spatial,
        packing="zlib" if layout.compressed else "raw",
        offset=layout.length if local else 0,
        gray=color,
        **inside,
    )
    return pixels if layout.header_size == 0 else replace(pixels, offset=_stated_offset(path, layout, pixels))


def _stated_offset(path: Path, layout: MetaImageLayout, pixels: StoredPixels) -> int:
    """Where the pixels start in their file, as HeaderSize says: counted from its first byte, or -1 for at its end."""
    if layout.header_size < 0:
        if layout.compressed:
            raise InputError(f"{path} has the HeaderSize -1 and compressed data, whose start cannot be known")
        offset = pixels.fingerprint.size - pixels.data_bytes
    else:
        offset = layout.header_size
    if offset < pixels.offset:
        raise InputError(f"{path} is cut off or damaged: its voxels (HeaderSize, DimSize) would start in its header")
    return offset

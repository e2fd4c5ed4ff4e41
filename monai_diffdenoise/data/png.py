# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""PNG files in: gray pictures of 1 to 16 bits, decoded by Pillow (extra ``images``)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from monai_diffdenoise.data.anatomy import LPS, ras_affine
from monai_diffdenoise.data.encoding import Block, Encoding
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.luma import luma
from monai_diffdenoise.data.packed import open_file, translated
from monai_diffdenoise.data.png_chunks import GRAY, SIGNATURE, Chunk, PngLayout, chunk_bytes, parse_png
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.data.volume import Volume, assemble
from monai_diffdenoise.errors import InputError

__all__ = ["PngSource", "is_png", "read_png"]

_PER_METER = 1


@dataclass(frozen=True, eq=False)
class PngSource:
    """Provenance of a volume that came from a PNG file.

    Args:
        path: the file.
        fingerprint: to notice that the file changed before the result was written.
        layout: everything in the file.
    """

    path: Path
    fingerprint: Fingerprint
    layout: PngLayout
    format: str = "png"

    @property
    def gray(self) -> bool:
        """Whether the file holds one sample per pixel and nothing else, so that it can be written as it came."""
        return self.layout.color == GRAY and self.layout.find(b"tRNS") is None

    @property
    def native(self) -> Encoding:
        """How the file stores its values; 1, 2 and 4 bits count as small bytes."""
        return Encoding(np.dtype(np.uint16 if self.layout.depth == 16 else np.uint8))

    def blocks(self) -> Iterator[Block]:
        """Yield the picture as one block.

        Raises:
            InputError: the file changed since it was opened, or cannot be decoded.
        """
        self.fingerprint.check()
        stored = _decode(self.layout, self.path).astype(self.native.dtype)
        # Rows and columns of the picture become the axes (x, y).
        limits = (0.0, 2.0**self.layout.depth - 1) if self.gray else None
        yield Block((slice(0, 1), slice(None), slice(None)), stored.T[None], limits=limits)


def is_png(path: Path) -> bool:
    """Whether a file starts as PNG files do."""
    with open_file(path) as stream, translated(path):
        return stream.read(len(SIGNATURE)) == SIGNATURE


def read_png(path: str | os.PathLike[str], options: ReadOptions | None = None) -> Volume:
    """Read a PNG picture as an image of two axes: x along its rows, y down its columns.

    The values are the stored samples: gamma, color profile and significant bits are kept and not applied. The pixel
    size comes from pHYs where that is given per meter. As for a DICOM picture without a position, x is said to run to
    the patient's left and y to the back.

    Args:
        path: the file.
        options: ``color="gray"`` takes color, a palette or opacity (which is dropped) as gray.

    Returns:
        the volume, (1, x, y).

    Raises:
        InputError: not a PNG, damaged, cut off, too large for what it holds, or with color that was not asked for.
    """
    path, options = Path(path), options if options is not None else ReadOptions()
    options.only(f"{path} is a PNG file", "color")
    _pillow(path)
    fingerprint = Fingerprint.of(path)
    if fingerprint.size == 0:
        raise InputError(f"{path} is empty (0 bytes): expected a PNG file")
    with open_file(path) as stream, translated(path):
        layout = parse_png(stream.read(), str(path))
    source = PngSource(path, fingerprint, layout)
    notes = []
    if not source.gray:
        if options.color == "refuse":
            raise InputError(
                f"{path} holds color, a palette or opacity: expected one gray sample per pixel; take its gray value "
                "with --color gray"
            )
        if layout.depth == 16:
            raise InputError(f"{path} holds color or opacity of 16 bits: expected 8 bits; convert it to gray first")
        notes.append("Color was turned into gray, opacity dropped; the result is written as gray.")
    spacing, note = _spacing(layout)
    affine = ras_affine(np.diag(spacing), (0.0, 0.0), LPS, str(path))
    return assemble(source, (1, layout.width, layout.height), affine, spacing, 0, notes=(*notes, note))


def _spacing(layout: PngLayout) -> tuple[tuple[float, float], str]:
    size = layout.find(b"pHYs")
    if size is not None and len(size) == 9:
        across, down, unit = struct.unpack(">IIB", size)
        if unit == _PER_METER and across and down:
            note = "The pixel size is the one that the file states (pHYs), which may be that of a screen or printer."
            return (1000.0 / across, 1000.0 / down), note
    return (1.0, 1.0), "The file does not state the size of a pixel: 1 mm was taken."


def _decode(layout: PngLayout, path: Path) -> np.ndarray:
    """Samples of the picture, (rows, columns)."""
    plugin = _pillow(path)
    # A file of only what decoding needs: texts and profiles, which may be bombs of their own, never reach the decoder.
    palette = [chunk for chunk in layout.before if chunk.kind == b"PLTE"]
    needed = [layout.before[0], *palette, Chunk(b"IDAT", layout.pixels), Chunk(b"IEND", b"")]
    try:
        # Not Image.open, whose limit on the size is one for the whole process; ours is checked by then.
        with plugin.PngImageFile(BytesIO(SIGNATURE + chunk_bytes(needed))) as picture:
            if layout.color == GRAY:
                samples = np.asarray(picture)
            else:
                samples = luma(np.moveaxis(np.asarray(picture.convert("RGB")), -1, 0))
    except Exception as error:
        # Pillow raises many types for damaged files.
        raise InputError(f"{path} is a damaged PNG file: it cannot be decoded ({type(error).__name__})") from error
    if layout.color == GRAY and layout.depth in (2, 4):
        # Pillow spreads the samples over 8 bits.
        samples = samples // (255 // (2**layout.depth - 1))
    return samples


def _pillow(path: Path) -> Any:
    try:
        from PIL import PngImagePlugin
    except ImportError:
        raise InputError(f"{path} is a PNG file, which needs Pillow: pip install 'monai-diffdenoise[images]'") from None
    return PngImagePlugin

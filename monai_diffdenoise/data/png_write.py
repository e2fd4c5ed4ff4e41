# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""PNG files out: a gray picture of 8 or 16 bits, with everything that stood beside the pixels of its source."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np

from monai_diffdenoise.data.anatomy import warn_of_lost_place
from monai_diffdenoise.data.atomic import atomic_file
from monai_diffdenoise.data.choose_encoding import Holds, choose_encoding
from monai_diffdenoise.data.encoded import EncodedVoxels
from monai_diffdenoise.data.encoding import Encoding
from monai_diffdenoise.data.png import PngSource
from monai_diffdenoise.data.png_chunks import SIGNATURE, Chunk, chunk_bytes
from monai_diffdenoise.data.volume import Volume, Written
from monai_diffdenoise.errors import InputError

__all__ = ["plan_png", "write_png"]

_HOLDS = Holds("PNG", ("uint8", "uint16"))
_COMPRESSION = 6
_MAX_SIDE = 2**31 - 1
_MAX_CHUNK = 1 << 30
# Chunks that stay true when the pixels change; those after them only for the same depth, or a source without color.
# tIME, the time of the last change, does not.
_KEPT = (b"gAMA", b"sRGB", b"pHYs", b"eXIf", b"tEXt", b"zTXt", b"iTXt")
_OF_DEPTH = (b"sBIT", b"bKGD")
_OF_COLOR = (b"cHRM", b"iCCP", b"cICP", b"sPLT")


def plan_png(volume: Volume, output_dtype: str | np.dtype | None = None) -> Encoding:
    """Decide how the values of a volume are stored in a PNG file, which holds whole numbers without a scale.

    Args:
        volume: what is to be written: one plane.
        output_dtype: "uint8" or "uint16"; None for the source's.

    Raises:
        InputError: not one plane, or values that no PNG holds; see
            :func:`~monai_diffdenoise.data.choose_encoding.choose_encoding`.
    """
    shape = tuple(int(size) for size in volume.image.shape)
    if shape[0] != 1 or len(shape) == 4 and shape[-1] != 1:
        raise InputError(f"the input has the shape {shape}: expected one plane for a PNG file; name a .nii.gz file")
    return choose_encoding(volume, output_dtype, _HOLDS)


def write_png(
    volume: Volume,
    path: str | os.PathLike[str],
    *,
    output_dtype: str | np.dtype | None = None,
    overwrite: bool = False,
) -> Written:
    """Write one plane to a .png file, complete or not at all.

    From a gray PNG the depth is kept (1 to 16 bits) and so are all chunks beside the pixels, but for private ones that
    do not say that they may be copied. An interlaced picture is written without interlacing. Other sources get a new
    header with the pixel size in whole pixels per meter. Pixels that were not changed keep their stored numbers.

    Args:
        volume: what to write.
        path: the file.
        output_dtype: see :func:`plan_png`.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: the name is taken, the values do not fit, or the source changed since it was read.
    """
    path, source = Path(path), volume.source
    encoding = plan_png(volume, output_dtype)
    width, height = (int(size) for size in volume.image.shape[1:3])
    if max(width, height) > _MAX_SIDE:
        raise InputError(f"the input is {width} x {height} pixels: expected at most {_MAX_SIDE} a side")
    voxels = EncodedVoxels(volume, encoding)
    depth = encoding.dtype.itemsize * 8
    before, after = _new_chunks(volume), list[Chunk]()
    if isinstance(source, PngSource):
        depth = source.layout.depth if source.gray and encoding == source.native else depth
        before, after = _kept_chunks(source, depth)
    else:
        warn_of_lost_place(volume, "PNG")
    rows = np.empty((height, width), encoding.dtype)
    for index, stored in voxels.pieces():
        rows[index[2], index[1]] = stored.reshape(stored.shape[1:3]).T
    header = Chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    packed = zlib.compress(_filtered(rows, depth), _COMPRESSION)
    pixels = [Chunk(b"IDAT", packed[at : at + _MAX_CHUNK]) for at in range(0, len(packed), _MAX_CHUNK)]
    with atomic_file(path, overwrite=overwrite) as stream:
        stream.write(SIGNATURE + chunk_bytes([header, *before, *pixels, *after, Chunk(b"IEND", b"")]))
    return voxels.written(path)


def _kept_chunks(source: PngSource, depth: int) -> tuple[list[Chunk], list[Chunk]]:
    kept = [*_KEPT, *(_OF_COLOR if source.gray else ())]
    kept += _OF_DEPTH if source.gray and depth == source.layout.depth else ()
    known = {*_KEPT, *_OF_DEPTH, *_OF_COLOR, b"IHDR", b"PLTE", b"tRNS", b"hIST"}

    def stays(chunk: Chunk) -> bool:
        # A small fourth letter: may be copied by programs that do not know the chunk, whatever they do to the pixels.
        return chunk.kind in kept or (chunk.kind not in known and bool(chunk.kind[3] & 0x20))

    return [c for c in source.layout.before if stays(c)], [c for c in source.layout.after if stays(c)]


def _new_chunks(volume: Volume) -> list[Chunk]:
    across, down = (round(1000.0 / size) for size in volume.spacing[:2])
    if not (0 < across < 2**31 and 0 < down < 2**31):
        return []
    return [Chunk(b"pHYs", struct.pack(">IIB", across, down, 1))]


def _filtered(rows: np.ndarray, depth: int) -> bytes:
    """The bytes of all rows, each with the filter that promises to compress best."""
    height, width = rows.shape
    if depth < 8:
        bits = np.unpackbits(rows[..., None], axis=-1)[..., 8 - depth :].reshape(height, width * depth)
        return np.pad(np.packbits(bits, axis=1), ((0, 0), (1, 0))).tobytes()
    plain = np.ascontiguousarray(rows.astype(rows.dtype.newbyteorder(">"))).view(np.uint8)
    left, above = np.zeros_like(plain), np.zeros_like(plain)
    left[:, rows.itemsize :], above[1:] = plain[:, : -rows.itemsize], plain[:-1]
    # Filters 0 to 2 of the standard: as it is, the difference to the left, the difference to the row above.
    choices = np.stack([plain, plain - left, plain - above])
    best = np.abs(choices.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64).argmin(axis=0)
    chosen = choices[best, np.arange(height)]
    return np.concatenate([best[:, None].astype(np.uint8), chosen], axis=1).tobytes()

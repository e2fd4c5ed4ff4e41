# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""TIFF files out: the source's own bytes with other pixels, or a new file from the volume."""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from monai_diffdenoise.data.anatomy import warn_of_lost_place
from monai_diffdenoise.data.atomic import atomic_file
from monai_diffdenoise.data.choose_encoding import Holds, choose_encoding
from monai_diffdenoise.data.encoded import EncodedVoxels
from monai_diffdenoise.data.encoding import OUTPUT_DTYPES, Encoding
from monai_diffdenoise.data.packed import open_file
from monai_diffdenoise.data.tiff import TiffSource, write_pages
from monai_diffdenoise.data.tiff_layout import TiffLayout, TiffPlace
from monai_diffdenoise.data.volume import Volume, Written
from monai_diffdenoise.errors import InputError

__all__ = ["plan_tiff", "write_tiff"]

_HOLDS = Holds("TIFF", (*OUTPUT_DTYPES, "float16"))
_COMPRESSION = 6
_COMPRESSION_TAG, _PREDICTOR = 259, 317
_STRIPS, _TILES = (273, 279), (324, 325)
_DEFLATE, _NO_PREDICTOR = 8, 1
_SHORT, _LONG, _LONG8 = 3, 4, 16


def plan_tiff(volume: Volume, output_dtype: str | np.dtype | None = None) -> Encoding:
    """Decide how the values of a volume are stored in a TIFF file, which keeps no slope and no intercept.

    Args:
        volume: what is to be written.
        output_dtype: number type wanted; None for the source's, or the smallest that holds its values.

    Raises:
        InputError: see :func:`~monai_diffdenoise.data.choose_encoding.choose_encoding`.
    """
    return choose_encoding(volume, output_dtype, _HOLDS)


def write_tiff(
    volume: Volume,
    path: str | os.PathLike[str],
    *,
    output_dtype: str | np.dtype | None = None,
    overwrite: bool = False,
) -> Written:
    """Write a volume to a .tif or .tiff file, complete or not at all.

    From a gray TIFF every byte but the pixels is kept: tags, descriptions, OME-XML, byte order, strips or tiles,
    BigTIFF. Compressed pixels are written with DEFLATE. Other sources, and another ``output_dtype``, get a new file of
    uncompressed pages, slice by slice, with the voxel size as ImageJ writes it. Voxels that were not changed keep their
    stored numbers.

    Args:
        volume: what to write.
        path: the file.
        output_dtype: see :func:`plan_tiff`.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: the name is taken, the number type does not fit, or the source changed since it was read.
    """
    path, source = Path(path), volume.source
    encoding = plan_tiff(volume, output_dtype)
    voxels = EncodedVoxels(volume, encoding)
    with atomic_file(path, overwrite=overwrite) as stream:
        if isinstance(source, TiffSource) and not source.layout.color and encoding == source.native:
            _replace_pixels(stream, source, voxels)
        else:
            if not isinstance(source, TiffSource):
                warn_of_lost_place(volume, "TIFF")
            channels, columns, rows, slices = (*volume.image.shape, 1)[:4]
            pages = (page for _, _, page in _pages(voxels))
            write_pages(stream, pages, (channels, slices, rows, columns), encoding, volume)
    return voxels.written(path)


def _pages(voxels: EncodedVoxels) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield channel, slice and (rows, columns) of each page."""
    for index, stored in voxels.pieces():
        box = stored[0] if stored.ndim == 4 else stored[0, ..., None]
        start = (index[3].start or 0) if stored.ndim == 4 else 0
        for offset in range(box.shape[-1]):
            yield index[0].start or 0, start + offset, np.ascontiguousarray(box[..., offset].T)


def _replace_pixels(stream: BinaryIO, source: TiffSource, voxels: EncodedVoxels) -> None:
    layout = source.layout
    with open_file(source.path) as old:
        shutil.copyfileobj(old, stream)
    for channel, position, page in _pages(voxels):
        place = layout.places[int(layout.pages[channel, position])]
        pieces = [part.astype(layout.dtype) for part in layout.pieces(page)]
        if layout.compression == 1:
            _write_raw(stream, layout, place, pieces)
        else:
            _write_packed(stream, layout, place, pieces)


def _write_raw(stream: BinaryIO, layout: TiffLayout, place: TiffPlace, pieces: list[np.ndarray]) -> None:
    stride = layout.piece[1] * layout.dtype.itemsize
    for offset, piece in zip(place.offsets, pieces, strict=True):
        # What fills up a tile beyond the border of the page stays what it was.
        rows = [piece] if piece.shape[1] == layout.piece[1] else list(piece)
        for number, row in enumerate(rows):
            stream.seek(offset + number * stride)
            stream.write(row.tobytes())


def _write_packed(stream: BinaryIO, layout: TiffLayout, place: TiffPlace, pieces: list[np.ndarray]) -> None:
    """Put each piece where the old one was, or at the end of the file when it has grown."""
    offsets, counts = [], []
    for offset, room, piece in zip(place.offsets, place.counts, pieces, strict=True):
        if layout.tiled:
            missing = [(0, full - size) for full, size in zip(layout.piece, piece.shape, strict=True)]
            piece = np.pad(piece, missing, mode="edge")
        packed = zlib.compress(piece.tobytes(), _COMPRESSION)
        # Nothing of the old pixels may stay in the file.
        stream.seek(offset)
        stream.write(packed + bytes(room - len(packed)) if len(packed) <= room else bytes(room))
        if len(packed) > room:
            offset = _append(stream, packed)
        offsets.append(offset)
        counts.append(len(packed))
    where = _TILES if layout.tiled else _STRIPS
    for tag, values in zip(where, (offsets, counts), strict=True):
        _set_tag(stream, layout, place, tag, _LONG8 if layout.big else _LONG, values)
    _set_tag(stream, layout, place, _COMPRESSION_TAG, _SHORT, [_DEFLATE])
    _set_tag(stream, layout, place, _PREDICTOR, _SHORT, [_NO_PREDICTOR])


def _append(stream: BinaryIO, raw: bytes) -> int:
    at = stream.seek(0, os.SEEK_END)
    # Values start at even bytes.
    stream.write(bytes(at % 2) + raw)
    return at + at % 2


def _set_tag(stream: BinaryIO, layout: TiffLayout, place: TiffPlace, tag: int, kind: int, values: list[int]) -> None:
    if tag not in place.entries:
        return
    number = "Q" if layout.big else "I"
    letter = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}[kind]
    try:
        raw = struct.pack(f"{layout.order}{len(values)}{letter}", *values)
        room = struct.calcsize(f"={number}")
        if len(raw) > room:
            raw = struct.pack(layout.order + number, _append(stream, raw))
        entry = struct.pack(f"{layout.order}HH{number}", tag, kind, len(values)) + raw.ljust(room, b"\0")
    except struct.error as error:
        raise InputError("the result is larger than 4 GiB, which this kind of TIFF cannot hold: use .nii.gz") from error
    stream.seek(place.entries[tag])
    stream.write(entry)

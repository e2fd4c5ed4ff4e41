# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""From the pages that tifffile finds in a file to their common layout, or to a clear refusal."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from monai_diffdenoise.data.tiff_layout import TiffLayout, TiffPlace
from monai_diffdenoise.data.tiff_meta import TiffMeta, axes_of_pages
from monai_diffdenoise.errors import InputError

__all__ = ["read_meta", "read_pages"]

_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64")
_SEPARATE = 2
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE = range(4)
# Tags that the writer changes: compression, strips, tiles, predictor.
_PLACED = (259, 273, 279, 317, 324, 325)
_SUB_IFDS, _FILL_ORDER, _DEPTH = 330, 266, 32997


def read_pages(tiff: Any, name: str) -> tuple[TiffLayout, Literal["time", "component"]]:
    """Find out where the pixels of all pages are and what the pages count.

    Args:
        tiff: a ``tifffile.TiffFile``.
        name: how messages call it.

    Returns:
        the layout, and what its channels are.

    Raises:
        InputError: pages that are not one gray or color image.
    """
    pages = list(tiff.pages)
    first = pages[0]
    _check_kind(pages, name)
    order: Literal["<", ">"] = ">" if tiff.byteorder == ">" else "<"
    places = []
    for page in pages:
        entries = {int(tag.code): int(tag.offset) for tag in page.tags if int(tag.code) in _PLACED}
        places.append(TiffPlace(tuple(page.dataoffsets), tuple(page.databytecounts), entries, _directory(tiff, page)))
    tiled = bool(first.is_tiled)
    piece = (int(first.tilelength), int(first.tilewidth))
    if not tiled:
        piece = (min(int(first.rowsperstrip), int(first.imagelength)), int(first.imagewidth))
    # The series comes last: looking for it makes tifffile forget the directories of the pages.
    if len(tiff.series) != 1 or len(tiff.series[0].levels) != 1:
        raise InputError(f"{name} holds several images or sizes of one: expected pages of one image; split it first")
    series = tiff.series[0]
    axes, sizes = series.get_axes(False), series.get_shape(False)
    counted = [i for i, letter in enumerate(axes) if letter not in "YXS"]
    counts = [sizes[i] for i in counted]
    if not len(pages) == len(series.pages) == math.prod(counts) or any(page is None for page in series.pages):
        raise InputError(
            f"{name} does not hold a directory for each of its pages: expected a complete file; save it anew"
        )
    numbers = [page.index if isinstance(page.index, int) else page.index[-1] for page in series.pages]
    grid, flat, kind = axes_of_pages("".join(axes[i] for i in counted), counts, numbers, name)
    palette = first.colormap if int(first.photometric) == _PALETTE else None
    layout = TiffLayout(
        dtype=np.dtype(first.dtype).newbyteorder(order),
        order=order,
        big=bool(tiff.is_bigtiff),
        rows=int(first.imagelength),
        columns=int(first.imagewidth),
        piece=piece,
        tiled=tiled,
        compression=int(first.compression),
        samples=int(first.samplesperpixel),
        planes=int(first.samplesperpixel) if int(first.planarconfig) == _SEPARATE else 1,
        # Palettes have 16 bits, the pixels that they color at most 8.
        palette=None if palette is None else (np.asarray(palette) >> 8).astype(np.uint8),
        places=tuple(places),
        pages=grid,
        flat=flat,
        white=int(first.photometric) == _MIN_IS_WHITE,
    )
    return layout, kind


def _directory(tiff: Any, page: Any) -> tuple[tuple[int, int], ...]:
    entry, inline, around = (20, 8, 16) if tiff.is_bigtiff else (12, 4, 6)
    values = [(int(t.valueoffset), int(t.valuebytecount)) for t in page.tags if t.valuebytecount > inline]
    return ((int(page.offset), around + entry * len(page.tags)), *values)


def _check_kind(pages: list[Any], name: str) -> None:
    first = pages[0]
    traits = {(p.shape, str(p.dtype), int(p.compression), int(p.photometric), p.axes) for p in pages}
    if len(traits) != 1:
        raise InputError(f"{name} has pages of different sizes or kinds: expected pages of one image; split it first")
    if {(p.is_tiled, p.rowsperstrip, p.tilelength, p.tilewidth) for p in pages} != {
        (first.is_tiled, first.rowsperstrip, first.tilelength, first.tilewidth)
    }:
        raise InputError(f"{name} has pages that are cut into pieces in different ways: expected one; save it anew")
    if any(tag in page.tags for page in pages for tag in (_SUB_IFDS, _DEPTH)) or int(first.fillorder) != 1:
        raise InputError(f"{name} holds smaller copies, stacks within pages or reversed bits: expected plain pages")
    dtype, bits = np.dtype(first.dtype) if first.dtype is not None else None, first.bitspersample
    if dtype is None or dtype.name not in _DTYPES or bits != dtype.itemsize * 8:
        raise InputError(f"{name} holds samples of {bits} bits: expected whole numbers or floats of 8 to 64 bits")
    if int(first.samplesperpixel) > 1 or int(first.photometric) not in (_MIN_IS_WHITE, _MIN_IS_BLACK):
        known = int(first.photometric) in (_RGB, _PALETTE) and dtype.name == "uint8"
        if not known or int(first.samplesperpixel) not in (1, 3, 4):
            raise InputError(
                f"{name} holds {first.samplesperpixel} samples per pixel that are not plain gray or 8-bit RGB: "
                "expected one gray sample; convert it first"
            )


def read_meta(tiff: Any) -> TiffMeta:
    """What stands beside the pixels of the first page.

    Args:
        tiff: a ``tifffile.TiffFile``.
    """
    page = tiff.pages[0]
    rational = [page.tags.valueof(tag) for tag in (282, 283)]
    resolution = [value[0] / value[1] if value and value[1] else 0.0 for value in rational]
    description = page.tags.valueof(270)
    unit = page.tags.valueof(296, default=2)
    return TiffMeta(str(description or ""), (resolution[0], resolution[1]), int(unit))

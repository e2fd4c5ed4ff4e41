# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the pixels of a TIFF file lie, so that they can be replaced and everything else stays as it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from monai_diffdenoise.errors import InputError

__all__ = ["TiffLayout", "TiffPlace", "check_places"]

# DEFLATE packs 1032 times at best; LZW and the others that are met in TIFF files do a little better.
_RATIO = 4096


@dataclass(frozen=True)
class TiffPlace:
    """Where the pixels of one page lie.

    Args:
        offsets: first byte of each strip or tile, row by row.
        counts: bytes of each.
        entries: tag -> where its entry in the page's directory starts.
        directory: first byte and length of the directory and of the values that it points to.
    """

    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    entries: dict[int, int]
    directory: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class TiffLayout:
    """What all pages of a TIFF file have in common, and where each of them is.

    Args:
        dtype: number type with the byte order of the file.
        order: the byte order, "<" or ">", which a number type of one byte does not tell.
        big: whether offsets have 8 bytes (BigTIFF).
        rows: of a page.
        columns: of a page.
        piece: rows and columns of a strip or tile.
        tiled: whether tiles at the border are filled up to their size.
        compression: the tag's value; 1 for none.
        palette: (3, entries) colors of 16 bits when the pixels are numbers of colors, or an empty tuple.
        samples: numbers per pixel.
        planes: how often the strips or tiles of a page repeat: once, or once for each sample.
        places: of the pages, in the order of the file.
        pages: (channels, slices) of indices into ``places``.
        flat: whether there is no axis of slices.
        white: whether a stored 0 is white.
    """

    dtype: np.dtype
    order: Literal["<", ">"]
    big: bool
    rows: int
    columns: int
    piece: tuple[int, int]
    tiled: bool
    compression: int
    samples: int
    planes: int
    palette: np.ndarray | None
    places: tuple[TiffPlace, ...]
    pages: np.ndarray
    flat: bool
    white: bool

    @property
    def color(self) -> bool:
        """Whether a pixel is a color, by itself or by a palette."""
        return self.samples > 1 or self.palette is not None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image, (C, *spatial)."""
        channels, slices = self.pages.shape
        return (channels, self.columns, self.rows) if self.flat else (channels, self.columns, self.rows, slices)

    def pieces(self, page: np.ndarray) -> Iterator[np.ndarray]:
        """Cut a page into its strips or tiles, in their order; those at the border end with it.

        Args:
            page: (rows, columns).
        """
        height, width = self.piece
        for top in range(0, self.rows, height):
            for left in range(0, self.columns, width):
                yield page[top : top + height, left : left + width]


def check_places(layout: TiffLayout, size: int, name: str) -> None:
    """Refuse pixels that lie outside the file or share bytes, and pages larger than what they are stored in.

    So memory is never asked for that a file of its size cannot stand for, and pages can be replaced one by one.

    Args:
        layout: of the file.
        size: bytes of the file.
        name: how messages call it.

    Raises:
        InputError: such pixels.
    """
    height, width = layout.piece
    if height < 1 or width < 1:
        raise InputError(f"{name} is damaged: it declares strips or tiles of {height} x {width} pixels")
    wanted = math.ceil(layout.rows / height) * math.ceil(layout.columns / width) * layout.planes
    pixel = layout.dtype.itemsize * layout.samples
    spans: list[tuple[int, int]] = []
    for place in layout.places:
        if len(place.offsets) != wanted or len(place.counts) != wanted:
            raise InputError(f"{name} is damaged: a page has {len(place.offsets)} strips or tiles, expected {wanted}")
        spans += zip(place.offsets, place.counts, strict=True)
        stored = sum(place.counts) * (1 if layout.compression == 1 else _RATIO)
        if layout.rows * layout.columns * pixel > stored or min(place.counts) < 1:
            raise InputError(
                f"{name} is cut off or damaged: a page declares {layout.columns} x {layout.rows} pixels, more than its "
                "bytes can hold"
            )
    if any(offset + count > size for offset, count in spans):
        raise InputError(f"{name} is cut off: pixels would lie behind its end")
    spans += _merged([(0, 8), *(span for place in layout.places for span in place.directory)])
    spans.sort()
    if any(first[0] + first[1] > second[0] for first, second in zip(spans, spans[1:], strict=False)):
        raise InputError(f"{name} has pixels that share bytes with other parts: expected each its own; save it anew")
    if layout.compression == 1:
        _check_raw(layout, pixel // layout.planes, name)


def _check_raw(layout: TiffLayout, pixel: int, name: str) -> None:
    height, width = layout.piece
    down, across = math.ceil(layout.rows / height), math.ceil(layout.columns / width)
    needed: Sequence[int] = [
        (height if layout.tiled else min(height, layout.rows - top * height)) * width * pixel
        for _ in range(layout.planes)
        for top in range(down)
        for _ in range(across)
    ]
    if any(count < need for place in layout.places for count, need in zip(place.counts, needed, strict=True)):
        raise InputError(f"{name} is cut off or damaged: a strip or tile is shorter than its pixels")


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans (first byte, length) joined where they touch: directories may share values with each other."""
    result: list[tuple[int, int]] = []
    for start, length in sorted(spans):
        if result and start <= result[-1][0] + result[-1][1]:
            before = result.pop()
            start, length = before[0], max(before[1], start + length - before[0])
        result.append((start, length))
    return result

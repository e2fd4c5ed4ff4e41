# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""PNG files as lists of chunks: checked before anything is decoded, and kept for the output."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from monai_diffdenoise.data.packed import largest_unpacked
from monai_diffdenoise.errors import InputError

__all__ = ["SIGNATURE", "Chunk", "PngLayout", "chunk_bytes", "parse_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
"""The first eight bytes of every PNG file."""

GRAY, COLOR, PALETTE, GRAY_ALPHA, COLOR_ALPHA = 0, 2, 3, 4, 6

_DEPTHS = {GRAY: (1, 2, 4, 8, 16), COLOR: (8, 16), PALETTE: (1, 2, 4, 8), GRAY_ALPHA: (8, 16), COLOR_ALPHA: (8, 16)}
_SAMPLES = {GRAY: 1, COLOR: 3, PALETTE: 1, GRAY_ALPHA: 2, COLOR_ALPHA: 4}
_PIECE = 1 << 20
# First column and row, and steps, of the seven pictures that an interlaced one is made of.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True)
class Chunk:
    """One chunk.

    Args:
        kind: its four letters.
        data: what it holds.
    """

    kind: bytes
    data: bytes

    @property
    def critical(self) -> bool:
        """Whether a reader that does not know the chunk must give up."""
        return not self.kind[0] & 0x20


@dataclass(frozen=True, eq=False)
class PngLayout:
    """What a PNG file holds besides its pixels.

    Args:
        width: pixels of a row.
        height: rows.
        depth: bits of a sample.
        color: PNG's color type.
        interlaced: whether the pixels come in seven passes.
        before: chunks before the pixels, IHDR first.
        pixels: data of the IDAT chunks, one after the other.
        after: chunks behind the pixels, without IEND.
    """

    width: int
    height: int
    depth: int
    color: int
    interlaced: bool
    before: tuple[Chunk, ...]
    pixels: bytes
    after: tuple[Chunk, ...]

    def find(self, kind: bytes) -> bytes | None:
        """Data of the first chunk of a kind, None when there is none."""
        return next((chunk.data for chunk in (*self.before, *self.after) if chunk.kind == kind), None)

    @property
    def unpacked_bytes(self) -> int:
        """Size of the pixels after unpacking, with the filter byte of each row."""
        bits = self.depth * _SAMPLES[self.color]

        def size(width: int, height: int) -> int:
            return height * (1 + (width * bits + 7) // 8) if width > 0 and height > 0 else 0

        if not self.interlaced:
            return size(self.width, self.height)
        return sum(size(-(-(self.width - x) // dx), -(-(self.height - y) // dy)) for x, y, dx, dy in _PASSES)


def chunk_bytes(chunks: Iterable[Chunk]) -> bytes:
    """Chunks as they stand in a file, with their lengths and checksums."""
    return b"".join(
        struct.pack(">I", len(chunk.data))
        + chunk.kind
        + chunk.data
        + struct.pack(">I", zlib.crc32(chunk.kind + chunk.data))
        for chunk in chunks
    )


def parse_png(raw: bytes, name: str) -> PngLayout:
    """Take a PNG file apart and make sure that its pixels are all there, without decoding them.

    Args:
        raw: the file.
        name: how messages call it.

    Raises:
        InputError: not a PNG, cut off, damaged, animated, or of a size that the file cannot hold.
    """
    if not raw.startswith(SIGNATURE):
        raise InputError(f"{name} is not a PNG file: it does not start as one")
    chunks = _chunks(raw, name)
    if not chunks or chunks[0].kind != b"IHDR" or len(chunks[0].data) != 13:
        raise InputError(f"{name} is a damaged PNG file: it does not start with its header (IHDR)")
    kinds = [chunk.kind for chunk in chunks]
    if b"acTL" in kinds:
        raise InputError(f"{name} is an animated PNG: expected one picture; save its frames as files of their own")
    unknown = [c.kind for c in chunks if c.critical and c.kind not in (b"IHDR", b"PLTE", b"IDAT")]
    if unknown:
        raise InputError(f"{name} holds parts of an unknown kind ({unknown[0]!r}): expected a standard PNG file")
    if b"IDAT" not in kinds:
        raise InputError(f"{name} is a damaged PNG file: it holds no pixels")
    first, last = kinds.index(b"IDAT"), len(kinds) - 1 - kinds[::-1].index(b"IDAT")
    if any(kind != b"IDAT" for kind in kinds[first:last]):
        raise InputError(f"{name} is a damaged PNG file: its pixels are torn apart")
    width, height, depth, color, packing, filtering, interlace = struct.unpack(">IIBBBBB", chunks[0].data)
    if not (width and height and depth in _DEPTHS.get(color, ()) and packing == filtering == 0 and interlace < 2):
        raise InputError(f"{name} is a damaged PNG file: its header (IHDR) holds values that are not allowed")
    pixels = b"".join(chunk.data for chunk in chunks[first : last + 1])
    before, after = tuple(chunks[:first]), tuple(chunks[last + 1 :])
    layout = PngLayout(width, height, depth, color, interlace == 1, before, pixels, after)
    _check_pixels(layout, name)
    return layout


def _chunks(raw: bytes, name: str) -> list[Chunk]:
    chunks, at = list[Chunk](), len(SIGNATURE)
    while at + 12 <= len(raw):
        (length,) = struct.unpack_from(">I", raw, at)
        kind, data = raw[at + 4 : at + 8], raw[at + 8 : at + 8 + length]
        check = raw[at + 8 + length : at + 12 + length]
        if len(check) < 4:
            break
        if not kind.isalpha() or struct.unpack(">I", check)[0] != zlib.crc32(kind + data):
            raise InputError(f"{name} is a damaged PNG file: the checksum of one of its parts is wrong")
        if kind == b"IEND":
            return chunks
        chunks.append(Chunk(kind, data))
        at += 12 + length
    raise InputError(f"{name} is cut off: expected a complete PNG file")


def _check_pixels(layout: PngLayout, name: str) -> None:
    wanted = layout.unpacked_bytes
    if wanted > largest_unpacked("zlib", len(layout.pixels)):
        raise InputError(
            f"{name} is damaged: its header declares {layout.width} x {layout.height} pixels, which its "
            f"{len(layout.pixels)} bytes cannot hold"
        )
    # Some decoders fill up what is missing; here it must be there, and its checksum must be right.
    unpack, rest, size = zlib.decompressobj(), layout.pixels, 0
    try:
        while size <= wanted and not unpack.eof:
            part = unpack.decompress(rest, _PIECE)
            rest = unpack.unconsumed_tail
            size += len(part)
            if not part and not rest and not unpack.eof:
                break
    except zlib.error as error:
        raise InputError(f"{name} is a damaged PNG file: its pixels cannot be unpacked") from error
    if size != wanted or not unpack.eof:
        raise InputError(f"{name} is a damaged PNG file: its pixels are not as many as its header declares")

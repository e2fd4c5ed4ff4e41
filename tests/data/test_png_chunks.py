# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct
import zlib

import pytest

from monai_diffdenoise.data.png_chunks import SIGNATURE, Chunk, chunk_bytes, parse_png
from monai_diffdenoise.errors import InputError

ROWS = b"".join(b"\0" + bytes(range(row, row + 5)) for row in range(4))
HEADER = (5, 4, 8, 0, 0, 0, 0)


def png(header=HEADER, raw=ROWS, before=(), after=(), end=True, pixels=None) -> bytes:
    parts = [Chunk(b"IHDR", struct.pack(">IIBBBBB", *header)), *before]
    parts += [Chunk(b"IDAT", zlib.compress(raw))] if pixels is None else pixels
    return SIGNATURE + chunk_bytes([*parts, *after, *([Chunk(b"IEND", b"")] if end else [])])


def test_all_chunks_are_found():
    text, tail = Chunk(b"tEXt", b"a\0b"), Chunk(b"eXIf", b"x")
    packed = zlib.compress(ROWS)
    layout = parse_png(
        png(before=[text], after=[tail], pixels=[Chunk(b"IDAT", packed[:7]), Chunk(b"IDAT", packed[7:])]), "x"
    )
    assert (layout.width, layout.height, layout.depth, layout.color, layout.interlaced) == (5, 4, 8, 0, False)
    assert layout.before[1:] == (text,) and layout.after == (tail,) and layout.pixels == packed
    assert layout.find(b"eXIf") == b"x" and layout.find(b"pHYs") is None


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ((5, 4, 8, 0, 0, 0, 0), 24),
        ((5, 4, 1, 0, 0, 0, 0), 8),
        ((9, 4, 1, 0, 0, 0, 0), 12),
        ((5, 4, 16, 0, 0, 0, 0), 44),
        ((5, 4, 8, 2, 0, 0, 0), 64),
        ((5, 4, 16, 6, 0, 0, 0), 164),
        ((1, 1, 8, 0, 0, 0, 1), 2),
        ((8, 8, 8, 0, 0, 0, 1), 64 + 1 + 1 + 1 + 2 + 2 + 4 + 4),
    ],
)
def test_size_of_the_unpacked_pixels(header, size):
    assert parse_png(png(header, bytes(size)), "x").unpacked_bytes == size
    for wrong in (size - 1, size + 1):
        with pytest.raises(InputError, match="not as many"):
            parse_png(png(header, bytes(wrong)), "x")


GOOD = png()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not a PNG"),
        (b"GIF89a" * 9, "not a PNG"),
        (SIGNATURE, "cut off"),
        (GOOD[:-1], "cut off"),
        (GOOD[:40], "cut off"),
        (png(end=False), "cut off"),
        (GOOD.replace(b"IDAT", b"IDAu"), "checksum"),
        (GOOD[:20] + b"\1" + GOOD[21:], "checksum"),
        (SIGNATURE + chunk_bytes([Chunk(b"IDAT", b""), Chunk(b"IEND", b"")]), "does not start with its header"),
        (png(before=[Chunk(b"acTL", bytes(8))]), "animated"),
        (png(before=[Chunk(b"CgBI", bytes(8))]), "unknown kind"),
        (png(pixels=[]), "no pixels"),
        (png(pixels=[Chunk(b"IDAT", b"a"), Chunk(b"tEXt", b""), Chunk(b"IDAT", b"b")]), "torn apart"),
        (png((0, 4, 8, 0, 0, 0, 0)), "not allowed"),
        (png((5, 4, 3, 0, 0, 0, 0)), "not allowed"),
        (png((5, 4, 16, 3, 0, 0, 0)), "not allowed"),
        (png((5, 4, 8, 5, 0, 0, 0)), "not allowed"),
        (png((5, 4, 8, 0, 1, 0, 0)), "not allowed"),
        (png((5, 4, 8, 0, 0, 0, 2)), "not allowed"),
        (png((2**31 - 1, 2**31 - 1, 8, 0, 0, 0, 0)), "cannot hold"),
        (png(pixels=[Chunk(b"IDAT", b"not packed, but long enough for it")]), "cannot be unpacked"),
        (png(pixels=[Chunk(b"IDAT", zlib.compress(ROWS)[:-3])]), "not as many"),
        (png(pixels=[Chunk(b"IDAT", zlib.compress(ROWS)[:-1] + b"x")]), "cannot be unpacked"),
    ],
)
def test_refusals(raw, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_png(raw, "x.png")
    assert "x.png" in str(caught.value) and "\n" not in str(caught.value)


def test_a_bomb_is_not_unpacked_beyond_what_it_declares():
    bomb = zlib.compress(bytes(200_000_000), 9)
    with pytest.raises(InputError, match="not as many"):
        parse_png(png(pixels=[Chunk(b"IDAT", bomb)]), "x.png")

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
import struct
import time

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.encaps import get_frame

from monai_diffdenoise.data.jpeg_lossless import decode_jpeg_lossless

# Two code tables that order the 17 categories differently; every code is 5 bits long.
ORDERS = [list(range(17)), [8, 3, 16, 0, 1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15]]


def guess(image: np.ndarray, row: int, column: int, predictor: int, first: int, start: int) -> int:
    """Prediction of annex H.1.2.1, written down pixel by pixel."""
    if row == first:
        return start if column == 0 else int(image[row, column - 1])
    above = int(image[row - 1, column])
    if column == 0:
        return above
    left, corner = int(image[row, column - 1]), int(image[row - 1, column - 1])
    return {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }[predictor]


def encode(
    image: np.ndarray, bits: int, predictor: int, shift: int = 0, restart_rows: int = 0, interleaved: bool = True
) -> bytes:
    """A JPEG Lossless stream of (rows, columns, samples) numbers below 2^bits."""
    rows, columns, samples = image.shape
    stream = b"\xff\xd8\xff\xe0\x00\x06ABCD"
    for name, order in enumerate(ORDERS):
        stream += b"\xff\xc4" + struct.pack(">HB", 2 + 17 + 17, name) + bytes([0] * 4 + [17] + [0] * 11) + bytes(order)
    stream += b"\xff\xc3" + struct.pack(">HBHHB", 8 + 3 * samples, bits, rows, columns, samples)
    stream += b"".join(bytes([10 + c, 0x11, 0]) for c in range(samples))
    if restart_rows:
        stream += b"\xff\xdd" + struct.pack(">HH", 4, restart_rows * columns)
    for names in [list(range(samples))] if interleaved else [[c] for c in range(samples)]:
        stream += b"\xff\xda" + struct.pack(">HB", 6 + 2 * len(names), len(names))
        stream += b"".join(bytes([10 + c, (c % 2) << 4]) for c in names) + bytes([predictor, 0, shift])
        stream += scan(image >> shift, names, bits - shift, predictor, restart_rows or rows)
    return stream + b"\xff\xd9"


def scan(image: np.ndarray, names: list[int], bits: int, predictor: int, step: int) -> bytes:
    parts = []
    for top in range(0, len(image), step):
        text = []
        for row in range(top, min(top + step, len(image))):
            for column in range(image.shape[1]):
                for c in names:
                    expected = guess(image[:, :, c], row, column, predictor, top, 1 << (bits - 1))
                    number = (int(image[row, column, c]) - expected) & 0xFFFF
                    number -= 0x10000 if number > 0x8000 else 0
                    size = abs(number).bit_length()
                    text.append(format(ORDERS[c % 2].index(size), "05b"))
                    if 0 < size < 16:
                        text.append(format(number if number > 0 else number + (1 << size) - 1, f"0{size}b"))
        digits = "".join(text)
        digits += "1" * (-len(digits) % 8)
        parts.append(bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8)).replace(b"\xff", b"\xff\0"))
    joined = parts[0]
    for index, part in enumerate(parts[1:]):
        joined += bytes([0xFF, 0xD0 + index % 8]) + part
    return joined


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3)),
    bits=st.integers(2, 16),
    predictor=st.integers(1, 7),
    shift=st.integers(0, 1),
    restart_rows=st.integers(0, 4),
    interleaved=st.booleans(),
    smooth=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_it_decodes_what_was_encoded(shape, bits, predictor, shift, restart_rows, interleaved, smooth, seed):
    rng = np.random.default_rng(seed)
    high = 1 << bits
    image = rng.integers(0, high, shape)
    if smooth:
        image = (np.cumsum(rng.integers(-2, 3, shape), axis=1) + high // 2).clip(0, high - 1)
    stream = encode(image, bits, predictor, shift, restart_rows, interleaved)
    expected = (image >> shift << shift).astype(np.uint16)
    np.testing.assert_array_equal(decode_jpeg_lossless(stream), expected)
    # Codes that straddle the pieces in which the data are looked at.
    import monai_diffdenoise.data.jpeg_lossless as module

    before, module._CHUNK = module._CHUNK, 3
    try:
        np.testing.assert_array_equal(decode_jpeg_lossless(stream), expected)
    finally:
        module._CHUNK = before


def test_differences_of_16_bits():
    image = np.array([[[0], [32768], [0], [65535], [1]]])
    np.testing.assert_array_equal(decode_jpeg_lossless(encode(image, 16, 1)), image)


def test_pydicoms_file_agrees_with_its_twin_in_rle():
    packed, plain = (
        pydicom.dcmread(get_testdata_file(name, download=False)) for name in ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle.dcm")
    )
    frame = get_frame(packed.PixelData, 0, number_of_frames=1)
    np.testing.assert_array_equal(decode_jpeg_lossless(frame), plain.pixel_array)


GOOD = encode(np.arange(48).reshape(6, 8, 1), 8, 1)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"\xff\xd8",
        GOOD[:40],
        GOOD[:-20],
        GOOD.replace(b"\xff\xc3", b"\xff\xc0"),
        GOOD.replace(b"\x0a\x11", b"\x0a\x21"),
        GOOD.replace(b"\xff\xda\x00\x08\x01\x0a\x00\x01", b"\xff\xda\x00\x08\x01\x0a\x00\x00"),
        GOOD.replace(b"\xff\xda\x00\x08\x01\x0a\x00", b"\xff\xda\x00\x08\x01\x0a\x70"),
        GOOD[:-2] + b"\xff\xd0" + GOOD[-2:],
        b"\xff\xd8" + b"\xff\xc4\x00\x13" + bytes([0] * 17) + b"\xff\xc4\xff\xff" + bytes(0xFFFD) + GOOD[2:],
        encode(np.zeros((4, 4, 1), int), 8, 1, restart_rows=1).replace(
            b"\xff\xdd\x00\x04\x00\x04", b"\xff\xdd\x00\x04\x00\x03"
        ),
    ],
    ids=["empty", "start", "head", "cut", "kind", "factors", "predictor", "table", "restart", "tables", "interval"],
)
def test_damaged_streams(stream):
    with pytest.raises(ValueError, match="."):
        decode_jpeg_lossless(stream)


def test_mutated_streams_end_quickly_in_numbers_or_an_error():
    rng = random.Random(1)
    streams = [GOOD, encode(np.arange(96).reshape(4, 8, 3), 12, 7, restart_rows=2)]
    decoded, started = 0, time.perf_counter()
    for _ in range(500):
        original = rng.choice(streams)
        stream = bytearray(original)
        for _ in range(rng.choice([1, 2, 8])):
            stream[rng.randrange(2, len(stream))] = rng.randrange(256)
        # The size is what check_frame looks at first; without it a damaged one may ask for much.
        size = original.index(b"\xff\xc3")
        stream[size : size + 10] = original[size : size + 10]
        try:
            decode_jpeg_lossless(bytes(stream))
            decoded += 1
        except ValueError:
            pass
    assert 0 < decoded < 500 and time.perf_counter() - started < 30

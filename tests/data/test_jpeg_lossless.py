# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
import time

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.encaps import get_frame

from monai_diffdenoise.data.codestream import FrameError
from monai_diffdenoise.data.jpeg_lossless import decode_jpeg_lossless


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
def test_it_decodes_what_was_encoded(
    encode_jpeg_lossless, shape, bits, predictor, shift, restart_rows, interleaved, smooth, seed
):
    rng = np.random.default_rng(seed)
    high = 1 << bits
    image = rng.integers(0, high, shape)
    if smooth:
        image = (np.cumsum(rng.integers(-2, 3, shape), axis=1) + high // 2).clip(0, high - 1)
    stream = encode_jpeg_lossless(image, bits, predictor, shift, restart_rows, interleaved)
    expected = (image >> shift << shift).astype(np.uint16)
    np.testing.assert_array_equal(decode_jpeg_lossless(stream), expected)
    # Codes that straddle the pieces in which the data are looked at.
    import monai_diffdenoise.data.jpeg_lossless as module

    before, module._CHUNK = module._CHUNK, 3
    try:
        np.testing.assert_array_equal(decode_jpeg_lossless(stream), expected)
    finally:
        module._CHUNK = before


def test_differences_of_16_bits(encode_jpeg_lossless):
    image = np.array([[[0], [32768], [0], [65535], [1]]])
    np.testing.assert_array_equal(decode_jpeg_lossless(encode_jpeg_lossless(image, 16, 1)), image)


def test_pydicoms_file_agrees_with_its_twin_in_rle():
    packed, plain = (
        pydicom.dcmread(get_testdata_file(name, download=False)) for name in ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle.dcm")
    )
    frame = get_frame(packed.PixelData, 0, number_of_frames=1)
    np.testing.assert_array_equal(decode_jpeg_lossless(frame), plain.pixel_array)


@pytest.fixture(scope="module")
def good(encode_jpeg_lossless):
    """A stream of 6 x 8 numbers of 8 bits."""
    return encode_jpeg_lossless(np.arange(48).reshape(6, 8, 1), 8, 1)


SCAN = b"\xff\xda\x00\x08\x01\x0a"
TABLE = b"\xff\xc4\x00\x13" + bytes([0] * 17)
DAMAGE = {
    "empty": lambda good: b"",
    "start": lambda good: good[:2],
    "head": lambda good: good[:40],
    "cut": lambda good: good[:-20],
    "another kind": lambda good: good.replace(b"\xff\xc3", b"\xff\xc0"),
    "small components": lambda good: good.replace(b"\x0a\x11", b"\x0a\x21"),
    "no predictor": lambda good: good.replace(SCAN + b"\0\1", SCAN + b"\0\0"),
    "no such table": lambda good: good.replace(SCAN + b"\0", SCAN + b"\x70"),
    "restart": lambda good: good[:-2] + b"\xff\xd0" + good[-2:],
    "interval": lambda good: good.replace(SCAN, b"\xff\xdd\x00\x04\x00\x03" + SCAN),
    "many tables": lambda good: good[:2] + TABLE * 70 + good[2:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_streams(good, damage):
    stream = DAMAGE[damage](good)
    assert stream != good
    with pytest.raises(FrameError):
        decode_jpeg_lossless(stream)


def test_mutated_streams_end_quickly_in_numbers_or_an_error(good, encode_jpeg_lossless):
    rng = random.Random(1)
    streams = [good, encode_jpeg_lossless(np.arange(96).reshape(4, 8, 3), 12, 7, restart_rows=2)]
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
        except FrameError:
            pass
    assert 0 < decoded < 500 and time.perf_counter() - started < 30

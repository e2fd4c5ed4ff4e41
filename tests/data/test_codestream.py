# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
import struct

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import get_frame
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from monai_diffdenoise.data.codestream import (
    FrameError,
    FrameHeader,
    bare_codestream,
    check_frame,
    read_frame_header,
)

# One of pydicom's files of each compression, with the start-of-frame marker.
SAMPLES = {
    "examples_ybr_color.dcm": 0xC0,
    "JPGExtended.dcm": 0xC1,
    "SC_rgb_jpeg_gdcm.dcm": 0xC3,
    "MR_small_jpeg_ls_lossless.dcm": 0xF7,
    "SC_rgb_jls_lossy_line.dcm": 0xF7,
    "MR_small_jp2klossless.dcm": 0,
    "examples_jpeg2k.dcm": 0,
}


def sample(name: str) -> tuple[pydicom.FileDataset, bytes]:
    dataset = pydicom.dcmread(get_testdata_file(name, download=False))
    return dataset, get_frame(dataset.PixelData, 0, number_of_frames=int(dataset.get("NumberOfFrames") or 1))


def check(dataset: pydicom.FileDataset, frame: bytes, **changed: int) -> None:
    numbers = {
        "rows": dataset.Rows,
        "columns": dataset.Columns,
        "samples": dataset.SamplesPerPixel,
        "allocated": dataset.BitsAllocated,
    }
    check_frame(frame, dataset.file_meta.TransferSyntaxUID, **{**numbers, **changed})


@pytest.mark.parametrize("name", SAMPLES)
def test_real_frames_pass_and_say_their_size(name):
    dataset, frame = sample(name)
    check(dataset, frame)
    bits = {"JPGExtended.dcm": 12, "MR_small_jpeg_ls_lossless.dcm": 16, "MR_small_jp2klossless.dcm": 16}.get(name, 8)
    expected = FrameHeader(dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, bits, SAMPLES[name])
    assert read_frame_header(frame) == expected


@pytest.mark.parametrize("name", [*SAMPLES, "MR_small_RLE.dcm"])
def test_another_size_than_announced_is_refused(name):
    dataset, frame = sample(name)
    for changed in ({"rows": 7}, {"columns": dataset.Columns // 16}, {"samples": 4}, {"samples": 2}):
        with pytest.raises(FrameError):
            check(dataset, frame, **changed)
    for length in (0, 1, 2, 5, 12, 30):
        with pytest.raises(FrameError):
            check(dataset, frame[:length])


def test_more_bits_than_set_aside_are_refused():
    for name in ("MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm"):
        dataset, frame = sample(name)
        with pytest.raises(FrameError, match="16 bits per value in 8 bits"):
            check(dataset, frame, allocated=8)


@pytest.mark.parametrize(
    ("name", "syntax"),
    [
        ("examples_ybr_color.dcm", JPEGLosslessSV1),
        ("SC_rgb_jpeg_gdcm.dcm", JPEGBaseline8Bit),
        ("SC_rgb_jls_lossy_line.dcm", JPEGLossless),
        ("examples_jpeg2k.dcm", JPEGBaseline8Bit),
        ("examples_ybr_color.dcm", JPEG2000),
        ("examples_jpeg2k.dcm", JPEGLSLossless),
    ],
)
def test_another_compression_than_announced_is_refused(name, syntax):
    dataset, frame = sample(name)
    dataset.file_meta.TransferSyntaxUID = syntax
    with pytest.raises(FrameError, match="another compression"):
        check(dataset, frame)


def test_progressive_jpeg_and_many_scans_are_refused():
    dataset, frame = sample("examples_ybr_color.dcm")
    with pytest.raises(FrameError, match="another compression"):
        check(dataset, frame.replace(b"\xff\xc0", b"\xff\xc2", 1))
    with pytest.raises(FrameError, match="scans"):
        check(dataset, frame + b"\xff\xda\0\0" * 64)
    start = frame.index(b"\xff\xc0")
    with pytest.raises(FrameError, match="two JPEG headers"):
        check(dataset, frame[:start] + frame[start : start + 19] + frame[start:])
    with pytest.raises(FrameError, match="no size"):
        read_frame_header(b"\xff\xd8\xff\xd9")
    with pytest.raises(FrameError, match="no JPEG header"):
        read_frame_header(b"GIF89a")


def test_far_too_many_bytes_are_refused():
    dataset, frame = sample("MR_small_jp2klossless.dcm")
    check(dataset, frame + b"\0" * (1 << 20))
    with pytest.raises(FrameError, match="compressed bytes for 8192 bytes"):
        check(dataset, frame + b"\0" * (2 << 20))


def jpeg2000(
    width=64, height=64, left=0, top=0, tile=(64, 64), samples=1, depth=15, subsampling=1, coding=b""
) -> bytes:
    """The main header of a JPEG 2000 stream; nobody decodes it."""
    parts = b"".join(bytes([depth, subsampling, subsampling]) for _ in range(samples))
    size = struct.pack(">H8IH", 0, width, height, left, top, *tile, 0, 0, samples) + parts
    stream = b"\xff\x4f\xff\x51" + struct.pack(">H", len(size) + 2) + size
    coding = coding or struct.pack(">BBHBBBBBB", 0, 0, 1, 0, 5, 4, 4, 0, 1)
    return stream + b"\xff\x52" + struct.pack(">H", len(coding) + 2) + coding + b"\xff\x90\x00\x0a" + b"\0" * 8


def coding_style(layers=1, levels=5, precincts=b"") -> bytes:
    return struct.pack(">BBHBBBBBB", bool(precincts), 0, layers, 0, levels, 4, 4, 0, 1) + precincts


def test_a_plain_jpeg2000_header_passes():
    check_frame(jpeg2000(), JPEG2000Lossless, 64, 64, 1, 16)
    check_frame(jpeg2000(coding=coding_style(20, 5, b"\x77" + b"\x88" * 5)), JPEG2000Lossless, 64, 64, 1, 16)
    large = jpeg2000(4096, 4096, tile=(128, 128))
    check_frame(large, JPEG2000Lossless, 4096, 4096, 1, 16)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (jpeg2000(60000, 60000, tile=(60000, 60000)), "60000 x 60000"),
        (jpeg2000(2**32 - 1, 2**32 - 1, 2**32 - 65, 2**32 - 65), "tile grid"),
        (jpeg2000(128, 128, 64, 64), "tile grid"),
        (jpeg2000(tile=(0, 64)), "tile grid"),
        (jpeg2000(tile=(1, 1)), "4096 tiles"),
        (jpeg2000(samples=16384), "16384 value"),
        (jpeg2000(subsampling=2), "different sizes"),
        (jpeg2000(depth=37), "38 bits"),
        (jpeg2000(coding=coding_style(layers=65535)), "65535 layers"),
        (jpeg2000(coding=coding_style(levels=33)), "33 levels"),
        (jpeg2000(coding=coding_style(precincts=b"\x77\x11" + b"\x88" * 4)), "precincts"),
    ],
)
def test_hostile_jpeg2000_headers(stream, message):
    assert len(stream) < 60_000
    with pytest.raises(FrameError, match=message):
        check_frame(stream, JPEG2000Lossless, 64, 64, 1, 16)


def test_the_wrapper_around_jpeg2000_comes_off():
    stream = jpeg2000()
    signature = b"\0\0\0\x0cjP  \r\n\x87\n"
    for box in (
        struct.pack(">I4s", 8 + len(stream), b"jp2c") + stream,
        struct.pack(">I4s", 0, b"jp2c") + stream,
        struct.pack(">I4sQ", 1, b"jp2c", 16 + len(stream)) + stream,
    ):
        assert bare_codestream(signature + struct.pack(">I4s", 12, b"ftyp") + b"jp2 " + box) == stream
    assert bare_codestream(stream) is stream
    for broken in (signature, signature + b"\0\0\0\x02abcd" * 9, signature + struct.pack(">I4sQ", 1, b"abcd", 0)):
        assert bare_codestream(broken) == broken
        with pytest.raises(FrameError, match="no JPEG header"):
            check_frame(broken, JPEG2000, 64, 64, 1, 16)


def test_hostile_rle():
    dataset, frame = sample("MR_small_RLE.dcm")
    check(dataset, frame)
    count, first, second = struct.unpack_from("<3I", frame)
    for head in (
        (count + 1, first, second),
        (15, *range(64, 79)),
        (count, 0, second),
        (count, second, first),
        (count, first, len(frame) + 9),
    ):
        with pytest.raises(FrameError):
            check(dataset, struct.pack(f"<{len(head)}I", *head).ljust(64, b"\0") + frame[64:])
    # 20 kB that would unpack to 1.3 MB
    with pytest.raises(FrameError, match="segments that do not"):
        check_frame(frame[:64] + b"\x81\0" * 10_000, RLELossless, 64, 64, 1, 16)


def test_any_bytes_end_in_a_header_or_a_frame_error():
    rng = random.Random(0)
    starts = [sample(name)[1][:300] for name in SAMPLES]
    for _ in range(3000):
        frame = bytearray(rng.choice(starts))
        for _ in range(rng.randrange(1, 9)):
            frame[rng.randrange(len(frame))] = rng.randrange(256)
        for syntax in (JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000, RLELossless):
            try:
                check_frame(bytes(frame[: rng.randrange(len(frame))]), syntax, 64, 64, 1, 16)
            except FrameError as error:
                assert len(str(error)) < 120

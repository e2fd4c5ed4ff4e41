# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import struct
import time
import tracemalloc
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, encapsulate_extended, itemize_fragment
from pydicom.uid import JPEGLosslessSV1

from monai_diffdenoise.data.codestream import FrameError
from monai_diffdenoise.data.dicom_frames import pixel_data_of, read_pixel_header
from monai_diffdenoise.data.fingerprint import Fingerprint

FRAMES = [bytes([number]) * (10 + 2 * number) + b"\xff\xd9" for number in range(5)]
# Frames of RLE have no marker at their end.
UNMARKED = [frame[:-2] for frame in FRAMES]


def cut(frame: bytes, parts: int) -> list[bytes]:
    step = -(-len(frame) // parts) // 2 * 2 or 2
    return [frame[start : start + step] for start in range(0, len(frame), step)]


def several_parts(frames: list[bytes], table: bool) -> bytes:
    items, offsets = b"", []
    for frame in frames:
        offsets.append(len(items))
        items += b"".join(itemize_fragment(part) for part in cut(frame, 3))
    offsets = offsets if table else []
    return b"\xfe\xff\x00\xe0" + struct.pack(f"<L{len(offsets)}L", 4 * len(offsets), *offsets) + items


def compressed_file(path: Path, value: bytes, frames: int = len(FRAMES), **more: bytes) -> Path:
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.NumberOfFrames, dataset.PixelData = frames, value
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    for keyword, content in more.items():
        setattr(dataset, keyword, content)
    dataset.save_as(path)
    return path


def layouts() -> dict[str, tuple[list[bytes], bytes, dict[str, bytes]]]:
    wide, offsets, lengths = encapsulate_extended(FRAMES)
    return {
        "table": (UNMARKED, encapsulate(UNMARKED), {}),
        "no table": (UNMARKED, encapsulate(UNMARKED, has_bot=False), {}),
        "several parts": (UNMARKED, several_parts(UNMARKED, True), {}),
        "several parts, no table": (FRAMES, several_parts(FRAMES, False), {}),
        "wide table": (FRAMES, wide, {"ExtendedOffsetTable": offsets, "ExtendedOffsetTableLengths": lengths}),
    }


@pytest.mark.parametrize("layout", layouts())
def test_each_compressed_frame_is_found(tmp_path, layout):
    frames, value, more = layouts()[layout]
    path = compressed_file(tmp_path / "x.dcm", value, **more)
    from_file = read_pixel_header(Fingerprint.of(path))
    in_memory = pixel_data_of(pydicom.dcmread(path))
    for index, frame in enumerate(frames):
        for pixels in (from_file, in_memory):
            assert pixels.frames == len(frames) and pixels.syntax == JPEGLosslessSV1
            assert pixels.compressed(index, 1000) == frame
    with pytest.raises(FrameError, match="frame 6 is missing"):
        from_file.compressed(5, 1000)
    with pytest.raises(FrameError, match="more than 4 compressed bytes"):
        from_file.compressed(0, 4)


def test_parts_that_nothing_tells_apart(tmp_path):
    path = compressed_file(tmp_path / "x.dcm", several_parts(UNMARKED, False))
    with pytest.raises(FrameError, match=r"1 compressed frame\(s\) instead of 5"):
        read_pixel_header(Fingerprint.of(path))


def test_a_table_that_does_not_fit_its_parts(tmp_path):
    value = bytearray(several_parts(UNMARKED, True))
    value[12:16] = struct.pack("<L", 3)
    path = compressed_file(tmp_path / "x.dcm", bytes(value))
    with pytest.raises(FrameError, match=r"4 compressed frame\(s\) instead of 5"):
        read_pixel_header(Fingerprint.of(path))


def test_all_parts_of_a_single_frame_are_one(tmp_path):
    path = compressed_file(tmp_path / "x.dcm", several_parts(FRAMES, False), frames=1)
    assert read_pixel_header(Fingerprint.of(path)).compressed(0, 1000) == b"".join(FRAMES)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (encapsulate(FRAMES)[:-30], "cut off"),
        (b"\xfe\xff\x00\xe0\xff\xff\xff\x7f", "no table of frames"),
        (b"\0" * 40, "no table of frames"),
        (encapsulate(FRAMES[:3], has_bot=False), "instead of 5"),
        (b"\xfe\xff\x00\xe0\0\0\0\0" + b"junk" * 10, "damaged"),
        (b"\xfe\xff\x00\xe0\0\0\0\0" + b"\xfe\xff\x00\xe0\0\0\0\0" * 5000, "instead of 5"),
    ],
    ids=["cut", "long table", "no items", "fewer", "junk", "empty parts"],
)
def test_damaged_frames(tmp_path, value, message):
    path = tmp_path / "x.dcm"
    compressed_file(path, encapsulate(FRAMES))
    raw = path.read_bytes()
    start = raw.index(b"\xe0\x7f\x10\x00OB") + 12
    path.write_bytes(raw[:start] + value)
    with pytest.raises(FrameError, match=message):
        read_pixel_header(Fingerprint.of(path))


def test_a_bomb_of_empty_parts_is_not_listed(tmp_path, monkeypatch):
    path = compressed_file(tmp_path / "x.dcm", encapsulate(FRAMES))
    monkeypatch.setattr("monai_diffdenoise.data.dicom_frames._MAX_FRAGMENTS", 4)
    with pytest.raises(FrameError, match="damaged"):
        read_pixel_header(Fingerprint.of(path))


def test_files_without_pixels(tmp_path):
    for name in ("reportsi.dcm", "rtplan.dcm"):
        with pytest.raises((FrameError, struct.error)):
            read_pixel_header(Fingerprint.of(Path(get_testdata_file(name, download=False))))


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small_implicit.dcm",
        "MR_small_bigendian.dcm",
        "meta_missing_tsyntax.dcm",
        "image_dfl.dcm",
        "rtdose.dcm",
    ],
)
def test_plain_pixels_start_where_they_should(name):
    path = Path(get_testdata_file(name, download=False))
    dataset = pydicom.dcmread(path)
    pixels = read_pixel_header(Fingerprint.of(path))
    with pixels.open() as stream:
        assert stream.read(len(dataset.PixelData)) == dataset.PixelData
    assert pixels.header.get("Rows") == dataset.get("Rows") and pixels.representation == dataset["PixelData"].VR


def test_a_frame_of_a_large_file_costs_one_frame(tmp_path):
    """One GB of frames, of which only the last one is written: a sparse file."""
    path, frames = tmp_path / "large.dcm", 1000
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 512, 1024, frames
    del dataset["DataSetTrailingPadding"]
    dataset.PixelData = b"\0" * 4
    dataset.save_as(path)
    start = path.read_bytes().index(b"\xe0\x7f\x10\x00OW") + 12
    with open(path, "rb+") as stream:
        stream.seek(start - 4)
        stream.write(struct.pack("<L", frames << 20))
        stream.truncate(start + (frames << 20))
        stream.seek(-6, os.SEEK_END)
        stream.write(b"ending")
    tracemalloc.start()
    began = time.perf_counter()
    pixels = read_pixel_header(Fingerprint.of(path))
    with pixels.open() as stream:
        stream.seek((frames - 1) << 20, os.SEEK_CUR)
        assert stream.read().endswith(b"ending")
    assert time.perf_counter() - began < 1
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()

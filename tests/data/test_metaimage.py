# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from monai_diffdenoise.data import ReadOptions, read_volume
from monai_diffdenoise.data.metaimage import is_metaimage
from monai_diffdenoise.errors import InputError

STORED = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
HEAD = "ObjectType = Image\nNDims = 3\nDimSize = 4 5 6\nElementType = MET_SHORT\n"


def make(folder: Path, more: str = "", data: str = "LOCAL", name: str = "a.mha", raw: bytes | None = None) -> Path:
    body = STORED.tobytes(order="F") if raw is None else raw
    (folder / name).write_bytes(f"{HEAD}{more}ElementDataFile = {data}\n".encode() + (body if data == "LOCAL" else b""))
    if data != "LOCAL":
        (folder / data).write_bytes(body)
    return folder / name


PACKED = zlib.compress(STORED.tobytes(order="F"))


@pytest.mark.parametrize("data", ["LOCAL", "a.raw", "deep/a.zraw"])
@pytest.mark.parametrize(
    ("more", "raw"),
    [
        ("", None),
        ("CompressedData = True\n", PACKED),
        (f"CompressedData = True\nCompressedDataSize = {len(PACKED)}\n", PACKED + b"more"),
        ("HeaderSize = -1\n", b"some header" + STORED.tobytes(order="F")),
        ("BinaryDataByteOrderMSB = True\n", STORED.astype(">i2").tobytes(order="F")),
    ],
)
def test_voxels_are_found(tmp_path, data, more, raw):
    (tmp_path / "deep").mkdir()
    volume = read_volume(make(tmp_path, more, data, "a.mha" if data == "LOCAL" else "a.mhd", raw))
    np.testing.assert_array_equal(volume.image[0], STORED)
    assert volume.source.format == "metaimage"


def test_header_size_counts_from_the_start_of_the_file(tmp_path):
    raw = b"xyz" + STORED.tobytes(order="F")
    volume = read_volume(make(tmp_path, "HeaderSize = 3\n", "a.raw", "a.mhd", raw))
    np.testing.assert_array_equal(volume.image[0], STORED)
    with pytest.raises(InputError, match="would start in its header"):
        read_volume(make(tmp_path, "HeaderSize = 3\n", raw=raw))
    with pytest.raises(InputError, match="would start in its header"):
        read_volume(make(tmp_path, "HeaderSize = -1\n", raw=b"few"))
    with pytest.raises(InputError, match="cannot be known"):
        read_volume(make(tmp_path, "HeaderSize = -1\nCompressedData = True\n", raw=PACKED))


@pytest.mark.parametrize(("more", "raw"), [("", STORED.tobytes()[:-1]), ("CompressedData = True\n", PACKED[:-9])])
def test_cut_off_voxels(tmp_path, more, raw):
    with pytest.raises(InputError, match="cut off"):
        read_volume(make(tmp_path, more, raw=raw))


@pytest.mark.parametrize("data", ["LIST", "LIST 2", "a%03d.raw 1 3 1", "../a.raw", "none.raw"])
def test_other_data_files_are_refused(tmp_path, data):
    (tmp_path / "in").mkdir()
    path = make(tmp_path / "in", name="a.mhd")
    path.write_bytes(f"{HEAD}ElementDataFile = {data}\n".encode())
    (tmp_path / "a.raw").write_bytes(STORED.tobytes())
    with pytest.raises(InputError, match="several files|outside|missing"):
        read_volume(path)


def color(folder: Path, channels: int, kind: str = "MET_UCHAR") -> Path:
    head = HEAD.replace("MET_SHORT", kind) + f"ElementNumberOfChannels = {channels}\nElementDataFile = LOCAL\n"
    box = np.random.default_rng(0).integers(0, 256, (channels, 4, 5, 6)).astype("u1" if kind == "MET_UCHAR" else "f4")
    (folder / "a.mha").write_bytes(head.encode() + box.tobytes(order="F"))
    return folder / "a.mha"


@pytest.mark.parametrize("channels", [3, 4])
def test_color_is_refused_or_gray(tmp_path, channels):
    path = color(tmp_path, channels)
    with pytest.raises(InputError, match="--color gray"):
        read_volume(path)
    volume = read_volume(path, options=ReadOptions(color="gray"))
    assert volume.image.shape == (1, 4, 5, 6) and volume.channels == "time" and "gray" in volume.notes[0]


@pytest.mark.parametrize(("channels", "kind"), [(2, "MET_UCHAR"), (3, "MET_FLOAT"), (6, "MET_FLOAT")])
def test_parts_of_a_value(tmp_path, channels, kind):
    volume = read_volume(color(tmp_path, channels, kind))
    assert volume.image.shape == (channels, 4, 5, 6) and volume.channels == "component"


def test_options_of_other_formats(tmp_path):
    with pytest.raises(InputError, match="--cine"):
        read_volume(make(tmp_path), options=ReadOptions(cine="time"))


def test_content_tells_the_format(tmp_path):
    assert is_metaimage(make(tmp_path))
    np.testing.assert_array_equal(read_volume(make(tmp_path, name="bare")).image[0], STORED)
    (tmp_path / "other").write_bytes(b"NRRD0004\n")
    assert not is_metaimage(tmp_path / "other")


def test_empty_file(tmp_path):
    (tmp_path / "a.mha").touch()
    with pytest.raises(InputError, match="empty"):
        read_volume(tmp_path / "a.mha")


def test_both_files_are_watched(tmp_path):
    volume = read_volume(make(tmp_path, data="a.raw", name="a.mhd"))
    for name in ("a.mhd", "a.raw"):
        raw = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(raw + b"\n")
        with pytest.raises(InputError, match="changed since"):
            list(volume.source.blocks())
        make(tmp_path, data="a.raw", name="a.mhd")
        volume = read_volume(tmp_path / "a.mhd")

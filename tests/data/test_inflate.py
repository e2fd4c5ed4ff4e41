# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.data.dicom_files import read_dataset
from monai_diffdenoise.data.inflate import InflatedFile, inflated
from monai_diffdenoise.errors import InputError


def deflate(path: Path, more: bytes = b"", cut: int = 0) -> Path:
    """Turn a plain file into a deflated one in place, with more bytes behind the dataset or fewer in the stream."""
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    raw = path.read_bytes()
    start = 144 + int.from_bytes(raw[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(zlib.decompress(raw[start:], -zlib.MAX_WBITS))
    for _ in range(0, len(more), 1 << 20):
        packed += packer.compress(more[: 1 << 20])
    packed += packer.flush()
    path.write_bytes(raw[:start] + packed[: len(packed) - cut])
    return path


@pytest.fixture
def plain(make_series):
    """One slice, not deflated."""
    return make_series(slices=1) / "file000"


def test_a_deflated_slice_is_the_plain_one(plain):
    before = read_volume(plain).image
    dataset = pydicom.dcmread(plain)
    deflate(plain)
    assert np.array_equal(read_volume(plain).image, before)
    again = read_dataset(plain)
    assert again.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    assert {e.tag: e.value for e in again} == {e.tag: e.value for e in dataset}
    header = read_dataset(plain, header_only=True)
    assert header.Rows == dataset.Rows and "PixelData" not in header


def test_pydicoms_own_deflated_file():
    path = Path(get_testdata_file("image_dfl.dcm", download=False))
    ours, theirs = read_dataset(path), pydicom.dcmread(path)
    assert ours == theirs and ours.PixelData == theirs.PixelData


def test_files_that_are_not_deflated(plain, tmp_path):
    for content in (b"", b"DICM", b"\0" * 128 + b"DICM\x02\0\0\0UL\x04\0\xff\xff\xff\xff"):
        (tmp_path / "x").write_bytes(content)
        with inflated(tmp_path / "x") as file:
            assert file is None
    with inflated(plain) as file:
        assert file is None


@pytest.mark.parametrize("header_only", [False, True])
def test_a_bomb_behind_the_pixels_is_not_inflated(plain, header_only):
    deflate(plain, more=b"\xff" * (120 << 20))
    assert plain.stat().st_size < 1 << 20
    tracemalloc.start()
    started = time.perf_counter()
    if header_only:
        assert read_dataset(plain, header_only=True) is not None
    else:
        with pytest.raises(InputError, match="inflates to more than"):
            read_dataset(plain)
    # tracemalloc itself slows this down several times
    assert time.perf_counter() - started < 10
    assert tracemalloc.get_traced_memory()[1] < 150 << 20
    tracemalloc.stop()


def test_a_bomb_in_the_header_is_no_readable_image(plain):
    dataset = pydicom.dcmread(plain)
    dataset.add_new((0x0009, 0x0010), "LO", "X")
    dataset.add_new((0x0009, 0x1000), "OB", b"\0" * (80 << 20))
    dataset.save_as(plain)
    deflate(plain)
    with pytest.raises(InputError, match="not a readable DICOM image"):
        read_volume(plain)


def test_a_header_that_declares_too_much_for_its_file(plain):
    dataset = pydicom.dcmread(plain)
    dataset.Rows = dataset.Columns = 6000
    dataset.PixelData = b"\0" * (6000 * 6000 * 2)
    dataset.save_as(plain)
    deflate(plain)
    with pytest.raises(InputError, match="inflates to more than"):
        read_dataset(plain)


@pytest.mark.parametrize("cut", [20, 60])
def test_cut_off_files_are_refused(plain, cut):
    deflate(plain, cut=cut)
    with pytest.raises(InputError):
        read_volume(plain)


def test_damaged_stream_is_no_readable_image(plain):
    raw = bytearray(deflate(plain).read_bytes())
    raw[400:420] = b"\xff" * 20
    plain.write_bytes(raw)
    with pytest.raises(InputError):
        read_volume(plain)


def test_it_reads_like_a_file():
    content = bytes(range(256)) * 1000
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(content) + packer.flush()
    head = b"head " + DeflatedExplicitVRLittleEndian.encode()
    twin = io.BytesIO(b"head " + ExplicitVRLittleEndian.encode().ljust(22, b"\0") + content)
    file = InflatedFile(head, io.BytesIO(packed))
    assert file.readable() and file.seekable()
    for action in (
        lambda f: f.read(10),
        lambda f: f.seek(100_000),
        lambda f: f.read(300),
        lambda f: f.seek(-50, io.SEEK_CUR),
        lambda f: f.tell(),
        lambda f: f.read(1 << 30),
        lambda f: f.read(1),
        lambda f: f.seek(-7, io.SEEK_END),
        lambda f: f.read(),
        lambda f: f.seek(0),
        lambda f: f.read(None),
    ):
        assert action(file) == action(twin)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest

from monai_diffdenoise.data import ReadOptions, read_volume
from monai_diffdenoise.data.nrrd import is_nrrd
from monai_diffdenoise.errors import InputError

STORED = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
RAW = STORED.tobytes(order="F")
HEAD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 5 6\nendian: little\n"


def make(folder: Path, more: str, raw: bytes = RAW, data: str = "", name: str = "a.nrrd") -> Path:
    text = HEAD + more + (f"data file: {data}\n" if data else "") + "\n"
    (folder / name).write_bytes(text.encode() + (b"" if data else raw))
    if data:
        (folder / data).write_bytes(raw)
    return folder / name


@pytest.mark.parametrize("data", ["", "a.raw.gz", "deep/a.bin"])
@pytest.mark.parametrize(
    ("more", "raw"),
    [
        ("encoding: raw\n", RAW),
        ("encoding: gzip\n", gzip.compress(RAW)),
        ("encoding: bzip2\n", bz2.compress(RAW)),
        ("encoding: raw\nbyte skip: 3\n", b"xyz" + RAW),
        ("encoding: raw\nbyte skip: -1\n", b"of any length" + RAW),
        ("encoding: raw\nline skip: 2\nbyte skip: 1\n", b"one\ntwo\n." + RAW),
        ("encoding: gzip\nbyte skip: 3\n", gzip.compress(b"xyz" + RAW)),
        ("encoding: gzip\nline skip: 1\nbyte skip: 3\n", b"line\n" + gzip.compress(b"xyz" + RAW)),
    ],
)
def test_voxels_are_found(tmp_path, data, more, raw):
    (tmp_path / "deep").mkdir()
    volume = read_volume(make(tmp_path, more, raw, data, "a.nhdr" if data else "a.nrrd"))
    np.testing.assert_array_equal(volume.image[0], STORED)
    assert volume.source.format == "nrrd"


@pytest.mark.parametrize(
    ("more", "raw"),
    [
        ("encoding: raw\n", RAW[:-1]),
        ("encoding: raw\nbyte skip: 1\n", RAW),
        ("encoding: raw\nbyte skip: -1\n", RAW[:-1]),
        ("encoding: raw\nline skip: 9\n", RAW),
        ("encoding: gzip\n", gzip.compress(RAW)[:-9]),
        ("encoding: gzip\n", gzip.compress(RAW[:-1])),
        ("encoding: bzip2\n", bz2.compress(RAW)[:-9]),
        ("encoding: gzip\n", RAW),
    ],
)
def test_cut_off_voxels(tmp_path, more, raw):
    with pytest.raises(InputError, match="cut off"):
        read_volume(make(tmp_path, more, raw))


def test_small_files_cannot_ask_for_much(tmp_path):
    path = make(tmp_path, "encoding: gzip\n", gzip.compress(b"x"))
    path.write_bytes(path.read_bytes().replace(b"4 5 6", b"4000 5000 6000"))
    with pytest.raises(InputError, match="240000000000 bytes"):
        read_volume(path)


@pytest.mark.parametrize("data", ["../a.raw", "/etc/passwd", "none.raw"])
def test_other_data_files_are_refused(tmp_path, data):
    (tmp_path / "in").mkdir()
    (tmp_path / "a.raw").write_bytes(RAW)
    (tmp_path / "in" / "a.nhdr").write_text(f"{HEAD}encoding: raw\ndata file: {data}\n")
    with pytest.raises(InputError, match="outside|missing"):
        read_volume(tmp_path / "in" / "a.nhdr")


@pytest.mark.parametrize("place", [0, 2])
def test_color_is_refused_or_gray(tmp_path, place):
    sizes, kinds = ["4", "5"], ["domain", "domain"]
    sizes.insert(place, "3")
    kinds.insert(place, "RGB-color")
    box = np.random.default_rng(0).integers(0, 256, [int(s) for s in sizes]).astype("u1")
    text = f"NRRD0004\ntype: uchar\ndimension: 3\nsizes: {' '.join(sizes)}\nkinds: {' '.join(kinds)}\nencoding: raw\n\n"
    (tmp_path / "a.nrrd").write_bytes(text.encode() + box.tobytes(order="F"))
    with pytest.raises(InputError, match="--color gray"):
        read_volume(tmp_path / "a.nrrd")
    volume = read_volume(tmp_path / "a.nrrd", options=ReadOptions(color="gray"))
    gray = np.moveaxis(box, place, -1) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(volume.image[0], gray, atol=0.51)


def test_color_of_floats_is_refused(tmp_path):
    text = "NRRD0004\ntype: float\ndimension: 3\nsizes: 3 4 5\nkinds: RGB-color domain domain\nendian: big\n"
    (tmp_path / "a.nrrd").write_bytes(text.encode() + b"encoding: raw\n\n" + bytes(240))
    with pytest.raises(InputError, match="unsigned integers"):
        read_volume(tmp_path / "a.nrrd", options=ReadOptions(color="gray"))


def test_content_tells_the_format(tmp_path):
    path = make(tmp_path, "encoding: raw\n", name="bare")
    assert is_nrrd(path)
    np.testing.assert_array_equal(read_volume(path).image[0], STORED)
    with pytest.raises(InputError, match="--uneven"):
        read_volume(path, options=ReadOptions(uneven="take"))
    (tmp_path / "a.nrrd").touch()
    with pytest.raises(InputError, match="empty"):
        read_volume(tmp_path / "a.nrrd")

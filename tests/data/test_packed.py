# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import bz2
import gzip
import zlib
from pathlib import Path

import pytest

from monai_diffdenoise.data.packed import finish, is_gzip, largest_unpacked, open_file, open_packed, read_exactly
from monai_diffdenoise.errors import InputError

DATA = bytes(range(256)) * 3000
PACK = {"raw": bytes, "gzip": gzip.compress, "zlib": zlib.compress, "bzip2": bz2.compress}


@pytest.fixture(params=sorted(PACK))
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    path = tmp_path / "file"
    path.write_bytes(b"head" + PACK[request.param](b"skip" + DATA))
    return request.param, path


@pytest.mark.parametrize("step", [1000, 256 * 3000])
def test_what_was_packed_comes_back(packed: tuple[str, Path], step: int) -> None:
    packing, path = packed
    with open_packed(path, packing, 4, 4) as stream:
        assert b"".join(read_exactly(stream, step, path) for _ in range(len(DATA) // step)) == DATA
        finish(stream, path)
        with pytest.raises(InputError, match="cut off: fewer voxels"):
            read_exactly(stream, 1, path)


@pytest.mark.parametrize("lost", [1, 5, 300])
def test_cut_streams_are_refused(packed: tuple[str, Path], lost: int) -> None:
    packing, path = packed
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(InputError, match="cut off"), open_packed(path, packing, 4, 4) as stream:
        read_exactly(stream, len(DATA), path)
        finish(stream, path)
        raise AssertionError("not noticed")


@pytest.mark.parametrize("packing", ["gzip", "zlib", "bzip2"])
def test_flipped_bits_are_noticed(tmp_path: Path, packing: str) -> None:
    raw = bytearray(PACK[packing](DATA))
    raw[len(raw) // 2] ^= 0x10
    (tmp_path / "file").write_bytes(raw)
    with pytest.raises(InputError, match="cut off or damaged"), open_packed(tmp_path / "file", packing) as stream:
        read_exactly(stream, len(DATA), tmp_path / "file")
        finish(stream, tmp_path / "file")


@pytest.mark.parametrize("packing", ["gzip", "zlib", "bzip2"])
def test_other_data_are_refused(tmp_path: Path, packing: str) -> None:
    (tmp_path / "file").write_bytes(DATA)
    with pytest.raises(InputError, match="cut off or damaged"), open_packed(tmp_path / "file", packing) as stream:
        read_exactly(stream, 10, tmp_path / "file")


def test_gzip_is_taken_where_zlib_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"head" + gzip.compress(DATA))
    with open_packed(path, "zlib", 4) as stream:
        assert read_exactly(stream, len(DATA), path) == DATA


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        open_file(tmp_path / "none")
    with pytest.raises(InputError, match="cannot read"), open_packed(tmp_path / "none", "gzip"):
        pass


def test_is_gzip(packed: tuple[str, Path]) -> None:
    packing, path = packed
    path.write_bytes(path.read_bytes()[4:])
    assert is_gzip(path) == (packing == "gzip")


@pytest.mark.parametrize("packing", ["gzip", "zlib"])
def test_the_bound_holds_what_deflate_can_pack(packing: str) -> None:
    zeros = bytes(10_000_000)
    assert largest_unpacked(packing, len(PACK[packing](zeros))) >= len(zeros)
    assert largest_unpacked(packing, 1024) < 1 << 21
    assert largest_unpacked("raw", 7) == 7

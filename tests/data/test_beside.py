# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_diffdenoise.data.beside import data_file_beside, refuse_overwriting
from monai_diffdenoise.errors import InputError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for name in ("in/x.raw", "in/deep/y.raw", "secret.raw"):
        (tmp_path / name).write_bytes(b"data")
    (folder / "out.raw").symlink_to(tmp_path / "secret.raw")
    (folder / "near.raw").symlink_to(folder / "x.raw")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")
    return folder


@pytest.mark.parametrize("name", ["x.raw", "deep/y.raw", "./x.raw", "near.raw"])
def test_files_of_the_folder(place, name):
    assert data_file_beside(place / "x.mhd", name).read_bytes() == b"data"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../secret.raw", "outside"),
        ("deep/../../secret.raw", "outside"),
        ("{root}/in/x.raw", "outside"),
        ("C:\\secret.raw", "outside"),
        ("..\\secret.raw", "outside"),
        ("\\\\host\\share\\x.raw", "outside"),
        ("x.raw\0", "outside"),
        ("out.raw", "leads out"),
        ("up/secret.raw", "leads out"),
        ("none.raw", "missing"),
        ("loop", "missing"),
        ("deep", "missing"),
        (".", "leads out"),
        ("", "several"),
        ("x%03d.raw 1 9 1", "several"),
    ],
)
def test_other_files(place, name, message):
    with pytest.raises(InputError, match=message) as caught:
        data_file_beside(place / "x.mhd", name.format(root=place.parent))
    assert "\n" not in str(caught.value)


def test_own_data_is_no_output(place):
    refuse_overwriting(place / "new", place / "x.raw")
    refuse_overwriting(place / "deep" / "y.raw", place / "x.raw")
    os.link(place / "x.raw", place / "hard")
    for name in ("x.raw", "hard", "near.raw"):
        with pytest.raises(InputError, match="never changed"):
            refuse_overwriting(place / name, place / "x.raw")

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which names and places can be written, and what is said of the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_diffdenoise.data import atomic_file, atomic_folder
from monai_diffdenoise.errors import InputError


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("name", ["", ".", "..", "new/..", "/", "a\0b"])
@pytest.mark.parametrize("writer", [atomic_file, atomic_folder])
def test_names_that_are_none(tmp_path, monkeypatch, name, writer):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new").mkdir()
    with pytest.raises(InputError, match="no name for a file or folder"), writer(name, overwrite=True):
        pass
    assert names(tmp_path) == ["new"]


ODD_NAMES = ["-rf", "line\nbreak", " leading", "trailing ", "dots..", "~", "*?", "\u00fc" * 127, "x" * 255, "\udcff"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX names")
@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_work(tmp_path, name):
    with atomic_file(tmp_path / name) as stream:
        stream.write(b"1")
    (tmp_path / "sub").mkdir()
    with atomic_folder(tmp_path / "sub" / name) as folder:
        (folder / "a").write_bytes(b"1")
    assert names(tmp_path) == sorted([name, "sub"]) and names(tmp_path / "sub") == [name]
    with pytest.raises(InputError, match="exists already") as caught, atomic_file(tmp_path / name):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="POSIX names")
@pytest.mark.parametrize("writer", [atomic_file, atomic_folder])
def test_too_long_a_name_is_refused_before_the_work(tmp_path, writer):
    with pytest.raises(InputError, match="cannot be used as a name"), writer(tmp_path / ("x" * 256)):
        pytest.fail("the body ran")


@pytest.mark.skipif(os.name == "nt", reason="POSIX links and devices")
def test_symlinked_parent_is_followed_and_other_kinds_are_not_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    with atomic_file(tmp_path / "linked" / "out") as stream:
        stream.write(b"1")
    assert names(tmp_path / "real") == ["out"]
    os.mkfifo(tmp_path / "pipe")
    for writer, name in ((atomic_file, "pipe"), (atomic_file, "real"), (atomic_folder, "real/out")):
        with pytest.raises(InputError, match="it is not replaced"), writer(tmp_path / name, overwrite=True):
            pass
    with (
        pytest.raises(InputError, match="cannot write in the folder"),
        atomic_file(tmp_path / "real" / "out" / "below"),
    ):
        pass
    assert names(tmp_path / "real") == ["out"]


def test_write_protected_target_is_kept(tmp_path):
    target = tmp_path / "out"
    target.write_bytes(b"old")
    target.chmod(0o444)
    with pytest.raises(InputError, match="write-protected"), atomic_file(target, overwrite=True):
        pass
    assert target.read_bytes() == b"old"


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_read_only_folder(tmp_path):
    tmp_path.chmod(0o555)
    for writer in (atomic_file, atomic_folder):
        with pytest.raises(InputError, match="cannot write in the folder"), writer(tmp_path / "out"):
            pass
    tmp_path.chmod(0o755)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_diffdenoise.data import atomic_file, atomic_folder
from monai_diffdenoise.errors import InputError


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_file_appears_complete(tmp_path):
    target = tmp_path / "out.bin"
    with atomic_file(target) as stream:
        stream.write(b"abc")
        assert not target.exists()
        assert all(name.startswith(".") for name in names(tmp_path))
    assert target.read_bytes() == b"abc"
    assert names(tmp_path) == ["out.bin"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_file_mode_follows_umask(tmp_path):
    old = os.umask(0o027)
    try:
        with atomic_file(tmp_path / "out.bin") as stream:
            stream.write(b"abc")
    finally:
        os.umask(old)
    assert (tmp_path / "out.bin").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_the_old_file(tmp_path, error):
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")
    with pytest.raises(error), atomic_file(target, overwrite=True) as stream:
        stream.write(b"half")
        raise error
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["out.bin"]


def test_failed_rename_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"), atomic_file(tmp_path / "out.bin") as stream:
        stream.write(b"abc")
    assert names(tmp_path) == []


def test_existing_file_and_symlink_are_refused(tmp_path):
    target, link = tmp_path / "out.bin", tmp_path / "link.bin"
    target.write_bytes(b"old")
    link.symlink_to(target)
    for path, overwrite in ((target, False), (link, True)):
        with pytest.raises(InputError), atomic_file(path, overwrite=overwrite):
            pass
    assert target.read_bytes() == b"old"


def test_file_that_appears_meanwhile_is_kept(tmp_path):
    target = tmp_path / "out.bin"
    with pytest.raises(InputError, match="exists already"), atomic_file(target) as stream:
        stream.write(b"mine")
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs"
    assert names(tmp_path) == ["out.bin"]


def test_missing_parent_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot write"), atomic_file(tmp_path / "none" / "out.bin"):
        pass
    with pytest.raises(InputError, match="cannot write"), atomic_folder(tmp_path / "none" / "out"):
        pass


def test_folder_appears_complete(tmp_path):
    target = tmp_path / "out"
    target.mkdir()  # empty counts as not there
    with atomic_folder(target) as folder:
        (folder / "a").write_bytes(b"1")
        assert names(target) == []
    assert names(target) == ["a"]
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_the_old_folder(tmp_path, error):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_bytes(b"1")
    with pytest.raises(error), atomic_folder(target, overwrite=True) as folder:
        (folder / "new").write_bytes(b"2")
        raise error
    assert names(target) == ["old"]
    assert names(tmp_path) == ["out"]


def test_folder_is_replaced(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_bytes(b"1")
    with pytest.raises(InputError, match="exists already"), atomic_folder(target):
        pass
    with atomic_folder(target, overwrite=True) as folder:
        (folder / "new").write_bytes(b"2")
    assert names(target) == ["new"]
    assert names(tmp_path) == ["out"]


def test_failed_swap_puts_the_old_folder_back(tmp_path, monkeypatch):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_bytes(b"1")
    rename, calls = os.rename, []

    def failing(source, destination):
        calls.append(source)
        if len(calls) == 2:
            raise OSError("no")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="no"), atomic_folder(target, overwrite=True) as folder:
        (folder / "new").write_bytes(b"2")
    assert names(target) == ["old"]
    assert names(tmp_path) == ["out"]

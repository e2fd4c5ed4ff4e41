# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
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


def refuse(number: int) -> Callable[..., None]:
    """A stand-in for a function of the system that says no."""

    def refusing(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    return refusing


@pytest.mark.parametrize(("step", "overwrite"), [("fsync", False), ("fsync", True), ("link", False), ("replace", True)])
def test_failed_step_of_a_file_leaves_nothing_new(tmp_path, monkeypatch, step, overwrite):
    target = tmp_path / "out.bin"
    if overwrite:
        target.write_bytes(b"old")
    monkeypatch.setattr(os, step, refuse(errno.ENOSPC))
    with pytest.raises(InputError, match="No space left"), atomic_file(target, overwrite=overwrite) as stream:
        stream.write(b"abc")
    assert names(tmp_path) == (["out.bin"] if overwrite else [])
    assert not overwrite or target.read_bytes() == b"old"


@pytest.mark.parametrize("step", ["fsync", "rename", "mkdir"])
def test_failed_step_of_a_folder_leaves_nothing_new(tmp_path, monkeypatch, step):
    monkeypatch.setattr(os, step, refuse(errno.EROFS))
    with pytest.raises(InputError, match="Read-only"), atomic_folder(tmp_path / "out") as folder:
        (folder / "a").write_bytes(b"1")
    monkeypatch.undo()
    assert names(tmp_path) == []


def test_errors_of_the_caller_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "out.bin"):
        (tmp_path / "source").read_bytes()
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "out"):
        (tmp_path / "source").read_bytes()
    assert names(tmp_path) == []


def test_file_systems_without_hard_links(tmp_path, monkeypatch):
    target = tmp_path / "out.bin"
    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    with atomic_file(target) as stream:
        stream.write(b"abc")
    assert target.read_bytes() == b"abc"
    target.unlink()
    with pytest.raises(InputError, match="exists already"), atomic_file(target) as stream:
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs"
    target.unlink()
    monkeypatch.setattr(os, "replace", refuse(errno.EIO))
    with pytest.raises(InputError, match="could not be written"), atomic_file(target) as stream:
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
        if len(calls) == 3:  # 1: the name is taken, 2: the old folder moves aside, 3: the new one takes the name
            raise OSError("no")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(InputError, match="no"), atomic_folder(target, overwrite=True) as folder:
        (folder / "new").write_bytes(b"2")
    assert names(target) == ["old"]
    assert names(tmp_path) == ["out"]


def test_folder_that_appears_meanwhile_is_kept(tmp_path):
    target = tmp_path / "out"
    with pytest.raises(InputError, match="exists already"), atomic_folder(target) as folder:
        (folder / "mine").write_bytes(b"1")
        target.mkdir()
        (target / "theirs").write_bytes(b"2")
    assert names(target) == ["theirs"]
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("folder", [False, True])
def test_vanished_folder_is_an_input_error(tmp_path, folder):
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(InputError, match="could not be written"):
        if folder:
            with atomic_folder(place / "out") as hidden:
                shutil.rmtree(place)
                (hidden / "a").write_bytes(b"1")
        else:
            with atomic_file(place / "out") as stream:
                stream.write(b"1")
                shutil.rmtree(place)
    assert not place.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own with room for 256 KiB; skips where this user may not mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small disk here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_full_disk(small_disk):
    (small_disk / "old").write_bytes(b"old")
    with pytest.raises(InputError, match="No space left"), atomic_file(small_disk / "old", overwrite=True) as stream:
        stream.write(b"x" * 300_000)
    with pytest.raises(InputError, match="No space left"), atomic_folder(small_disk / "new") as folder:
        for index in range(20):
            (folder / str(index)).write_bytes(b"x" * 30_000)
    assert names(small_disk) == ["old"] and (small_disk / "old").read_bytes() == b"old"

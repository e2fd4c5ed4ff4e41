# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import multiprocessing
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


def _race_file(target: Path, overwrite: bool, number: int, barrier, results) -> None:
    try:
        with atomic_file(target, overwrite=overwrite) as stream:
            stream.write(bytes([number]) * 100_000)
            barrier.wait()
        results.put((number, "won"))
    except InputError as error:
        results.put((number, str(error)))
    except BaseException as error:  # the parent must see it rather than wait
        results.put((number, repr(error)))


def _race_folder(target: Path, overwrite: bool, number: int, barrier, results) -> None:
    try:
        with atomic_folder(target, overwrite=overwrite) as folder:
            for index in range(5):
                (folder / f"{number}.{index}").write_bytes(b"1")
            barrier.wait()
        results.put((number, "won"))
    except InputError as error:
        results.put((number, str(error)))
    except BaseException as error:  # the parent must see it rather than wait
        results.put((number, repr(error)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs quick processes")
@pytest.mark.parametrize(
    ("race", "overwrite", "there"),
    [
        (_race_file, False, "nothing"),
        (_race_file, True, "nothing"),
        (_race_file, True, "old"),
        (_race_folder, False, "nothing"),
        (_race_folder, False, "empty"),
        (_race_folder, True, "empty"),
        (_race_folder, True, "old"),
    ],
)
def test_processes_that_write_one_target(tmp_path, race, overwrite, there):
    target, count = tmp_path / "out", 6
    if there == "empty":
        target.mkdir()
    elif there == "old" and race is _race_file:
        target.write_bytes(b"old")
    elif there == "old":
        target.mkdir()
        (target / "old").write_bytes(b"old")
    context = multiprocessing.get_context("fork")
    for _ in range(5):
        if not overwrite:
            target.unlink(missing_ok=True) if race is _race_file else shutil.rmtree(target, ignore_errors=True)
            if there == "empty":
                target.mkdir()
        barrier, results = context.Barrier(count), context.SimpleQueue()
        workers = [context.Process(target=race, args=(target, overwrite, n, barrier, results)) for n in range(count)]
        for worker in workers:
            worker.start()
        said = dict(results.get() for _ in workers)
        for worker in workers:
            worker.join()
        winners = [number for number, word in said.items() if word == "won"]
        if overwrite:
            assert len(winners) == count, said
        else:
            assert len(winners) == 1, said
            assert all("exists already" in word for word in said.values() if word != "won"), said
        if race is _race_file:
            content = target.read_bytes()
            assert len(content) == 100_000 and len(set(content)) == 1 and content[0] in winners
        else:
            assert names(target) in [[f"{number}.{index}" for index in range(5)] for number in winners]
        assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("rounds", [1, 1000])
def test_folder_that_others_replace_at_the_same_time(tmp_path, monkeypatch, rounds):
    target, rename, left = tmp_path / "out", os.rename, [rounds]
    target.mkdir()
    (target / "old").write_bytes(b"1")

    def crowded(source: Path, destination: Path) -> None:
        if source == target and left[0]:
            # Another program moves the folder away and puts its own in, right before we could.
            left[0] -= 1
            shutil.rmtree(target)
            target.mkdir()
            (target / "theirs").write_bytes(b"1")
            raise FileNotFoundError(errno.ENOENT, "gone")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", crowded)
    if rounds == 1:
        with atomic_folder(target, overwrite=True) as folder:
            (folder / "new").write_bytes(b"2")
    else:
        with pytest.raises(InputError, match="again and again"), atomic_folder(target, overwrite=True) as folder:
            (folder / "new").write_bytes(b"2")
    assert names(target) == (["new"] if rounds == 1 else ["theirs"])
    assert names(tmp_path) == ["out"]

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import multiprocessing
import os
import signal
import time
import warnings
from pathlib import Path

import pytest

from monai_diffdenoise.data import atomic_file, atomic_folder
from monai_diffdenoise.data.leftovers import hidden_sibling, remove_leftovers, while_locked

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no locks that tell a dead run from a live one")


def age(path: Path, seconds: float) -> None:
    for entry in [path, *(path.iterdir() if path.is_dir() else [])]:
        os.utime(entry, (time.time() - seconds,) * 2)


def leave(target: Path, folder: bool, ending: str = ".tmp", seconds: float = 7200) -> Path:
    left = hidden_sibling(target, ending)
    if folder:
        left.mkdir()
        (left / "part").write_bytes(b"1")
    else:
        left.write_bytes(b"1")
    age(left, seconds)
    return left


@pytest.mark.parametrize("folder", [False, True])
def test_old_leftovers_of_the_same_target_go_and_it_is_said(tmp_path, folder):
    target = tmp_path / "out.nii.gz"
    leave(target, folder)
    kept = [
        leave(tmp_path / "other.nii.gz", folder),
        leave(target, folder, seconds=60),
        leave(target, folder, ending=".old"),
    ]
    (tmp_path / ".out.nii.gz.notes.tmp").write_bytes(b"1")
    with pytest.warns(UserWarning, match=r"removed 1 unfinished output\(s\)"):
        remove_leftovers(target)
    assert all(entry.exists() for entry in kept)
    assert len(list(tmp_path.iterdir())) == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        remove_leftovers(target)


@pytest.mark.parametrize("folder", [False, True])
def test_what_a_live_run_writes_stays(tmp_path, folder):
    target = tmp_path / "out"
    with (atomic_folder if folder else atomic_file)(target, overwrite=True) as mine:
        if not folder:
            mine.write(b"abc")
            mine.flush()
        (hidden,) = tmp_path.iterdir()
        age(hidden, 7200)
        remove_leftovers(target)
        assert hidden.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_a_fresh_file_is_not_old(tmp_path):
    left = leave(tmp_path / "out", True)
    (left / "fresh").write_bytes(b"1")
    os.utime(left, (time.time() - 7200,) * 2)
    remove_leftovers(tmp_path / "out")
    assert left.exists()


@pytest.mark.parametrize("name", ["precious", "precious/a"])
def test_links_under_a_hidden_name_are_not_followed(tmp_path, name):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "a").write_bytes(b"1")
    link = hidden_sibling(tmp_path / "out")
    link.symlink_to(tmp_path / name)
    os.utime(link, (time.time() - 7200,) * 2, follow_symlinks=False)
    remove_leftovers(tmp_path / "out")
    assert (tmp_path / "precious" / "a").exists() and link.is_symlink()


def test_a_locked_path_cannot_be_locked_again_until_it_is_free(tmp_path):
    left = leave(tmp_path / "out", False)
    with while_locked(left):
        remove_leftovers(tmp_path / "out")
        assert left.exists()
    with pytest.warns(UserWarning, match="removed 1"):
        remove_leftovers(tmp_path / "out")
    assert not left.exists()


@pytest.mark.parametrize("folder", [False, True])
def test_a_killed_run_leaves_what_the_next_one_removes(tmp_path, folder):
    target, context = tmp_path / "out", multiprocessing.get_context("fork")
    ready = context.Event()

    def run() -> None:
        with (atomic_folder if folder else atomic_file)(target):
            ready.set()
            time.sleep(60)

    worker = context.Process(target=run)
    worker.start()
    assert ready.wait(30)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    (hidden,) = tmp_path.iterdir()
    age(hidden, 7200)
    with pytest.warns(UserWarning, match="removed 1"), (atomic_folder if folder else atomic_file)(target):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]

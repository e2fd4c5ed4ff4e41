# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Several processes that write to one place."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

from monai_diffdenoise.data import atomic_file, atomic_folder
from monai_diffdenoise.errors import InputError


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


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

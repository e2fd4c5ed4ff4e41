# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Targets on the disk: whole or not there, and of one kind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_diffdenoise.engines import TargetCache
from monai_diffdenoise.errors import InputError

TARGET = torch.rand(2, 5, 4, 3, generator=torch.Generator().manual_seed(0))
WEIGHT = TARGET[:1] / 2


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_what_was_written_is_read_again(axis: int, tmp_path: Path) -> None:
    cache = TargetCache(tmp_path / "new", "a", axis)
    assert not cache.has("k") and not cache.folder.exists()
    cache.write("k", TARGET, WEIGHT)
    assert cache.has("k") and not cache.has("other")
    for again in (cache, TargetCache(tmp_path / "new", "a", axis), TargetCache(tmp_path / "new", slice_axis=axis)):
        found = again.read("k")
        assert torch.equal(found["targets"], TARGET) and torch.equal(found["weight"], WEIGHT)
        # slices lie one behind the other
        assert found["targets"].stride(axis % 3 + 1) == max(found["targets"].stride()[1:])


def test_files_are_mapped_and_stay_as_they_are(tmp_path: Path) -> None:
    cache = TargetCache(tmp_path, "a")
    cache.write("k", TARGET, WEIGHT)
    cache.read("k")["targets"].zero_()
    cache.write("k", 0 * TARGET, WEIGHT)
    assert torch.equal(cache.read("k")["targets"], TARGET)


def test_the_key_is_the_content(tmp_path: Path) -> None:
    cache = TargetCache(tmp_path, "a")
    assert cache.key(TARGET) == cache.key(TARGET.movedim(3, 1).contiguous().movedim(1, 3))
    assert cache.key(TARGET) != cache.key(TARGET + 1e-6)
    assert cache.key(TARGET) != cache.key(TARGET.transpose(1, 2))


def test_another_fingerprint_is_refused(tmp_path: Path) -> None:
    mine, late = TargetCache(tmp_path, "a"), TargetCache(tmp_path, "b")
    mine.write("k", TARGET, WEIGHT)
    with pytest.raises(InputError, match="other weights or settings"):
        TargetCache(tmp_path, "b")
    with pytest.raises(InputError, match="other weights or settings"):
        late.write("l", TARGET, WEIGHT)
    assert not late.has("l")
    assert TargetCache(tmp_path).fingerprint == "a"


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no targets"):
        TargetCache(tmp_path)
    with pytest.raises(InputError, match="without a target"):
        TargetCache(tmp_path, "a").read("k")


def test_shapes_must_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="weight"):
        TargetCache(tmp_path, "a").write("k", TARGET, TARGET)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    cache = TargetCache(tmp_path, "a")
    cache.write("k", TARGET, WEIGHT)
    (tmp_path / "k" / "weight.npy").write_bytes(b"x")
    with pytest.raises(InputError, match="generate it again"):
        cache.read("k")


def test_half_a_volume_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is killed between the two files; the next one makes that volume anew, and cleans up."""
    cache = TargetCache(tmp_path, "a")
    child = os.fork()
    if child == 0:
        save = np.save

        def half(path: Path, array: np.ndarray) -> None:
            if path.name == "weight.npy":
                os.kill(os.getpid(), signal.SIGKILL)
            save(path, array)

        monkeypatch.setattr(np, "save", half)
        cache.write("k", TARGET, WEIGHT)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert not cache.has("k")
    (left,) = tmp_path.glob(".k.*")
    for path in (left / "targets.npy", left):
        # what changed lately may still be written by a run on another machine
        os.utime(path, (0, 0))
    with pytest.warns(UserWarning, match="unfinished"):
        cache.write("k", TARGET, WEIGHT)
    assert torch.equal(cache.read("k")["weight"], WEIGHT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fingerprint.txt", "k"]

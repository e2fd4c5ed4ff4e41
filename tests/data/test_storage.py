# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Arrays in memory and in scratch files: the same, but for where they are."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monai_diffdenoise.data import storage
from monai_diffdenoise.data.storage import allocate, digest, drop_pages, memory_limit, require_room, runs
from monai_diffdenoise.errors import InputError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def mapped(array: torch.Tensor) -> bool:
    """Whether an array lies in one of the mappings that there are."""
    where = array.data_ptr()
    starts = [np.frombuffer(m, np.uint8).__array_interface__["data"][0] for m in list(storage._mapped)]
    return any(start <= where < start + len(m) for start, m in zip(starts, list(storage._mapped), strict=True))


@pytest.mark.parametrize("megabytes", [0, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bool, torch.int16])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_slices_lie_one_behind_the_other(megabytes: float, axis: int, dtype: torch.dtype) -> None:
    with memory_limit(megabytes):
        array = allocate((2, 5, 6, 7), axis, dtype)
    assert mapped(array) == (megabytes == 0)
    assert array.shape == (2, 5, 6, 7) and array.dtype == dtype
    slices = array.movedim(axis % 3 + 1, 1)
    assert slices.is_contiguous()
    values = torch.arange(420).reshape(2, 5, 6, 7) % 2 == 0
    array[:] = values
    assert torch.equal(array, values.to(dtype))


@pytest.mark.parametrize("shape", [(2, 5, 6), (1, 4), (0, 3, 3, 3), (1, 1, 1, 1)])
def test_other_shapes_are_laid_out_as_ever(shape: tuple[int, ...]) -> None:
    with memory_limit(0):
        array = allocate(shape)
    assert array.shape == shape and array.is_contiguous()


def test_an_array_is_mapped_when_it_takes_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    with memory_limit(4):
        assert not mapped(allocate((1, 512, 512)))
        assert mapped(allocate((1, 512, 513)))
        with memory_limit(None):
            monkeypatch.setattr(storage, "available_memory", lambda: 8 << 20)
            assert not mapped(allocate((1, 512, 512)))
            assert mapped(allocate((1, 512, 513)))
        assert mapped(allocate((1, 512, 513)))


def test_values_survive_that_their_pages_are_dropped() -> None:
    with memory_limit(0):
        array = allocate((1, 64, 64, 64))
    values = torch.randn(array.shape, generator=torch.Generator().manual_seed(0))
    array[:] = values
    drop_pages()
    assert torch.equal(array, values)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_dropped_pages_are_no_longer_resident() -> None:
    def resident() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssFile"))

    before = resident()
    with memory_limit(0):
        array = allocate((1, 128, 128, 256))
    array.fill_(1.0)
    assert resident() > before + 12_000
    drop_pages()
    assert resident() < before + 4_000


def test_a_scratch_file_has_no_name_and_goes_with_its_array(scratch: Path) -> None:
    with memory_limit(0):
        array = allocate((1, 64, 64, 64))
        view = array[0, 3:]
    if sys.platform != "win32":
        assert not list(scratch.iterdir())
    gc.collect()  # what earlier tests left
    before = len(storage._mapped)
    del array
    gc.collect()
    assert len(storage._mapped) == before
    del view
    gc.collect()
    assert len(storage._mapped) == before - 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_leaves_nothing(scratch: Path, how: signal.Signals) -> None:
    code = (
        # a shell that starts the tests in the background has them ignore it
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import time; from monai_diffdenoise.data.storage import *\n"
        "with memory_limit(0): a = allocate((1, 99, 99, 99))\n"
        "a.fill_(1.0); print('ready', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    os.kill(process.pid, how)
    assert process.wait(20) != 0
    process.stdout.close()
    assert not list(scratch.iterdir())


def test_a_full_disk_is_told_before_anything_is_written(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**6, 0, 10**6))
    with memory_limit(0):
        allocate((1, 100, 100, 25))
        with pytest.raises(
            InputError, match=r"1000400 bytes are needed in .*1000000 are free.*TMPDIR.*--memory"
        ) as caught:
            allocate((1, 100, 41, 61))
    assert str(scratch) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no posix_fallocate")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_meanwhile_is_an_error_too(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def full(*_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with memory_limit(0), pytest.raises(InputError, match=f"4000 bytes.*{os.strerror(code)}.*TMPDIR"):
        allocate((1, 10, 10, 10))


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no posix_fallocate")
def test_the_whole_file_is_on_the_disk_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(os, "posix_fallocate", lambda file, start, size: asked.append(size) or os.truncate(file, size))
    with memory_limit(0):
        allocate((1, 10, 10, 10), dtype=torch.bool)
    assert asked == [1000]


def test_a_scratch_folder_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    with memory_limit(0), pytest.raises(InputError, match="missing.*No such file.*TMPDIR"):
        allocate((1, 10, 10, 10))
    with memory_limit(1000):
        allocate((1, 10, 10, 10))


def test_scratch_files_lie_where_the_environment_says_and_else_not_in_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert storage.scratch_folder() == tmp_path
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    if os.access("/var/tmp", os.W_OK):
        assert storage.scratch_folder() == Path("/var/tmp")


def test_room_is_required_for_what_memory_cannot_hold(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**7, 0, 10**7))
    with memory_limit(4):
        require_room([1 << 20] * 99)
        require_room([5_000_000, 5_000_000])
        with pytest.raises(InputError, match="15000000 bytes are needed.*10000000 are free"):
            require_room([5_000_000, 1 << 20, 10_000_000])


@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3).map(lambda size: (2, *size)),
    axis=st.integers(-3, 2),
    voxels=st.integers(1, 200),
)
def test_runs_visit_every_voxel_once(shape: tuple[int, ...], axis: int, voxels: int) -> None:
    seen = torch.zeros(shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "_RUN_VOXELS", voxels)
        indices = list(runs(seen, axis))
    for index in indices:
        seen[index] += 1
        assert seen[index].shape[0] == 1
        across = [size for k, size in enumerate(seen[index].shape[1:]) if k != axis % 3]
        assert across == [size for k, size in enumerate(shape[1:]) if k != axis % 3]
        assert seen[index].numel() <= max(voxels, seen[index].numel() // seen[index].shape[axis % 3 + 1])
    assert bool((seen == 1).all())


def test_runs_of_a_plane_are_its_channels() -> None:
    assert len(list(runs(torch.zeros(3, 4, 5)))) == 3


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("voxels", [1, 50, 1 << 20])
def test_a_digest_is_that_of_the_values_not_of_how_they_lie(
    axis: int, voxels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    expected = digest(values, axis)
    monkeypatch.setattr(storage, "_RUN_VOXELS", voxels)
    for other in range(3):
        with memory_limit(0):
            array = allocate(values.shape, other)
        array[:] = values
        assert digest(array, axis) == expected
    array[1, 2, 3, 4] = torch.nextafter(array[1, 2, 3, 4], torch.tensor(9.0))
    changed = [values.double(), values.reshape(2, 6, 5, 7), values.flip(0), array]
    assert len({expected, *(digest(one, axis) for one in changed)}) == 5


def test_a_digest_of_a_plane() -> None:
    values = torch.randn(1, 5, 6, generator=torch.Generator().manual_seed(0))
    assert digest(values) == digest(values.mT.contiguous().mT) != digest(values + 1)

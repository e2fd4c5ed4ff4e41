# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How much memory may be taken, by what a system of files says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from monai_diffdenoise.data.available_memory import available_memory

GIGA = 1 << 30
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="asks /proc and /sys")


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine of 8 GB of which 5 are available, no control group."""
    write(tmp_path, proc__meminfo="MemTotal:  8388608 kB\nMemFree: 1048576 kB\nMemAvailable:  5242880 kB\n")
    write(tmp_path, proc__self__cgroup="0::/\n", proc__self__status="Name: x\nVmData:   1024 kB\n")
    return tmp_path


def test_without_limits_it_is_what_the_system_says(root: Path) -> None:
    assert available_memory(root) == 5 * GIGA


@pytest.mark.parametrize("group", ["/", "/a", "/a/b"])
def test_the_tightest_control_group_counts_and_its_file_pages_are_free(root: Path, group: str) -> None:
    folder = f"sys__fs__cgroup{'__a' if group != '/' else ''}__memory"
    write(root, proc__self__cgroup=f"0::{group}\n")
    write(root, **{f"{folder}_dot_max": str(3 * GIGA), f"{folder}_dot_current": str(2 * GIGA)})
    assert available_memory(root) == 1 * GIGA
    write(root, **{f"{folder}_dot_stat": f"anon 1\nfile {GIGA}\nshmem {GIGA // 4}\n"})
    assert available_memory(root) == 1.75 * GIGA


def test_a_control_group_without_a_limit_does_not_count(root: Path) -> None:
    write(root, sys__fs__cgroup__memory_dot_max="max\n", sys__fs__cgroup__memory_dot_current="123\n")
    assert available_memory(root) == 5 * GIGA


def test_control_groups_of_the_first_version_count_too(root: Path) -> None:
    home = "sys__fs__cgroup__memory__job__memory_dot_"
    write(root, proc__self__cgroup="4:cpu:/other\n3:memory:/job\n0::/\n")
    write(root, **{f"{home}limit_in_bytes": str(2 * GIGA), f"{home}usage_in_bytes": str(GIGA)})
    write(root, **{f"{home}stat": f"total_cache {GIGA // 2}\ntotal_shmem 0\n"})
    assert available_memory(root) == 1.5 * GIGA


def test_an_exhausted_group_leaves_nothing(root: Path) -> None:
    write(root, sys__fs__cgroup__memory_dot_max=str(GIGA), sys__fs__cgroup__memory_dot_current=str(2 * GIGA))
    assert available_memory(root) == 0


def test_the_process_limit_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (2 << 20, resource.RLIM_INFINITY))
    assert available_memory(root) == 1 << 20


def test_a_machine_that_tells_nothing_still_has_some(tmp_path: Path) -> None:
    assert available_memory(tmp_path) > GIGA // 4


def test_this_machine_has_some() -> None:
    assert available_memory() > 0

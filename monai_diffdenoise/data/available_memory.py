# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How much memory this process may still take: of the machine, of its control group, of its own limit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["available_memory"]

# Where nothing can be asked; any computer that runs torch has this much.
_UNKNOWN = 4 << 30


def available_memory(root: Path = Path("/")) -> int:
    """Bytes of memory that can be had without swapping and without passing a limit.

    The smallest of: what the system says is available; what the control groups of the process (containers, batch
    systems) leave, where cached file pages count as free; what RLIMIT_DATA leaves. Four gigabytes where nothing of this
    is known.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    return max(min([*_of_system(root), *_of_groups(root), *_of_process(root)], default=_UNKNOWN), 0)


def _of_system(root: Path) -> Iterator[int]:
    available = _kilobytes(root / "proc/meminfo", "MemAvailable")
    if available is not None:
        yield available
    elif hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        # macOS names only the whole; half of it is a guess
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _of_groups(root: Path) -> Iterator[int]:
    """What is left in each control group that the process is in, and in those around it."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            home, limit, usage = root / "sys/fs/cgroup", "memory.max", "memory.current"
            cached = ("file", "shmem")
        elif "memory" in controllers.split(","):
            home, limit, usage = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cached = ("total_cache", "total_shmem")
        else:
            continue
        group = home / path.lstrip("/")
        # inside a container its own group is often mounted at the top, whatever its name
        for folder in (group, *group.parents):
            most, used = _text(folder / limit).strip(), _text(folder / usage).strip()
            if most.isdigit() and used.isdigit():
                memory = {
                    name: int(n) for name, n in (row.split() for row in _text(folder / "memory.stat").splitlines())
                }
                file, shared = (memory.get(name, 0) for name in cached)
                yield int(most) - int(used) + max(file - shared, 0)
            if folder == home:
                break


def _of_process(root: Path) -> Iterator[int]:
    try:
        import resource
    except ImportError:  # Windows
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    held = _kilobytes(root / "proc/self/status", "VmData")
    if limit != resource.RLIM_INFINITY and held is not None:
        yield limit - held


def _kilobytes(path: Path, name: str) -> int | None:
    """Bytes that a line such as ``MemAvailable:   123 kB`` of a file says."""
    for line in _text(path).splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""

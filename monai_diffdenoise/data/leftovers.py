# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The hidden names under which outputs grow, and what killed runs leave behind under them.

A live run holds a lock on what it writes; the system drops the lock when the run ends, however it ends. So an old
hidden file or folder of the same target whose lock is free belongs to a run that was killed, and is removed. Where the
lock tells nothing (Windows, file systems without locks), leftovers stay.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

__all__ = ["hidden_sibling", "remove_leftovers", "while_locked"]

_STEM_BYTES = 80
_ENDING = ".tmp"
# Locks of another computer may not be seen on a shared disk; whoever still writes there has written lately.
_SURELY_OLD = 3600.0


def _stem(path: Path) -> str:
    # Short, in bytes: a long target name plus an ending could pass the file system's limit of 255.
    return "." + os.fsencode(path.name)[:_STEM_BYTES].decode("utf-8", "ignore")


def hidden_sibling(path: Path, ending: str = _ENDING) -> Path:
    """A new hidden name in the folder of ``path``.

    Args:
        path: the final name.
        ending: another one than the default marks what :func:`remove_leftovers` must not touch.
    """
    return path.parent / f"{_stem(path)}.{secrets.token_hex(6)}{ending}"


@contextlib.contextmanager
def while_locked(path: Path) -> Iterator[None]:
    """Hold the lock that says "a live run writes this" on a file or folder, if the system has such locks."""
    descriptor = _lock(path)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(path: Path) -> int | None:
    """Descriptor that holds the lock of a file or folder until it is closed; None if it cannot be had."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    descriptor = None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if descriptor is not None:
            os.close(descriptor)
        return None
    return descriptor


def remove_leftovers(path: Path) -> None:
    """Remove what killed runs left beside a target, and say so in a warning.

    Args:
        path: the target whose hidden siblings are looked for. Those that a live run may still write are left alone:
            locked ones, and any that changed in the last hour.
    """
    pattern = re.compile(re.escape(_stem(path)) + r"\.[0-9a-f]{12}" + re.escape(_ENDING), re.DOTALL)
    removed = 0
    with contextlib.suppress(OSError):  # a folder that cannot be listed; writing into it will say why
        for name in os.listdir(path.parent):
            if pattern.fullmatch(name):
                removed += _remove(path.parent / name)
    if removed:
        warnings.warn(f"removed {removed} unfinished output(s) that killed runs left beside {path}", stacklevel=3)


def _remove(leftover: Path) -> bool:
    try:
        if time.time() - _last_change(leftover) < _SURELY_OLD:
            return False
        descriptor = _lock(leftover)
        if descriptor is None:
            return False
        try:
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
        finally:
            os.close(descriptor)
    except OSError:  # gone meanwhile, or not ours to remove
        return False
    return True


def _last_change(leftover: Path) -> float:
    times = [os.lstat(leftover).st_mtime]
    if leftover.is_dir() and not leftover.is_symlink():
        times += [entry.stat(follow_symlinks=False).st_mtime for entry in os.scandir(leftover)]
    return max(times)

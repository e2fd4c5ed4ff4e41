# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the voxels of large arrays lie: in memory, or in scratch files that look like memory.

Slices lie one behind the other, so that a run of slices is one run of bytes. What fits takes memory. What does not is
mapped from a scratch file that has no name: nothing of it is left when the process ends, however it ends. Nobody else
has to know which is which; values are the same, and so is everything computed from them.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import mmap
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

import numpy as np
import torch

from monai_diffdenoise.data.available_memory import available_memory
from monai_diffdenoise.errors import InputError

__all__ = [
    "allocate",
    "digest",
    "drop_pages",
    "largest_in_memory",
    "memory_limit",
    "require_room",
    "runs",
    "scratch_folder",
]

# A run holds the noisy and the denoised image, a weight, and for a while a normalised copy.
_ARRAYS = 4
# Voxels that are worked on at a time: small beside what a network takes, large beside what a call costs.
_RUN_VOXELS = 1 << 20

_limit: ContextVar[float | None] = ContextVar("memory_limit", default=None)
_mapped: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


@contextlib.contextmanager
def memory_limit(megabytes: float | None) -> Iterator[None]:
    """Within the block, volumes take about this much memory together, and scratch files beyond that.

    Args:
        megabytes: 0 puts everything into scratch files; None takes half of what is available.
    """
    token = _limit.set(megabytes)
    try:
        yield
    finally:
        _limit.reset(token)


def allocate(shape: Sequence[int], slice_axis: int = -1, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Room for an array, values undefined.

    Args:
        shape: (C, *spatial).
        slice_axis: spatial axis that moves slowest in memory, where there are three.
        dtype: number type.

    Returns:
        a tensor of this shape, on the CPU. It is not contiguous unless the slice axis is the first.

    Raises:
        InputError: a scratch file is needed, and there is no room for it.
    """
    stored = list(shape)
    if len(stored) == 4:
        stored.insert(1, stored.pop(slice_axis % 3 + 1))
    size = math.prod(stored) * dtype.itemsize
    if size > 0 and largest_in_memory() < size:
        array = torch.frombuffer(_scratch(size), dtype=dtype).view(stored)
    else:
        array = torch.empty(stored, dtype=dtype)
    return array.movedim(1, slice_axis % 3 + 1) if len(stored) == 4 else array


def largest_in_memory() -> float:
    """Bytes that an array may take in memory."""
    limit = _limit.get()
    return (available_memory() / 2 if limit is None else limit * 2**20) / _ARRAYS


def require_room(sizes: Sequence[int]) -> None:
    """Refuse work that will need more scratch files than there is room for, before it has begun.

    Args:
        sizes: bytes of each array that will be asked for; those that memory can hold need no room.

    Raises:
        InputError: they do not fit.
    """
    largest = largest_in_memory()
    needed = sum(size for size in sizes if size > largest)
    if needed:
        _require_free(needed)


def _require_free(needed: int) -> None:
    folder = scratch_folder()
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise _no_room(needed, f"its folder cannot be used: {error.strerror}") from error
    if free < needed:
        raise _no_room(needed, f"{free} are free")


def _no_room(needed: int, why: str) -> InputError:
    return InputError(
        f"scratch files of {needed} bytes are needed in {scratch_folder()}, and {why}: free some room, set TMPDIR to a "
        "folder on a larger disk, or allow more --memory"
    )


def scratch_folder() -> Path:
    """Where scratch files lie: TMPDIR (TEMP, TMP), else /var/tmp, since /tmp is memory on many Linux systems."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        if os.environ.get(name):
            return Path(os.environ[name])
    return Path("/var/tmp") if os.access("/var/tmp", os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


def _scratch(size: int) -> mmap.mmap:
    """Map a new file of zeros that has no name."""
    _require_free(size)
    try:
        with tempfile.TemporaryFile(dir=scratch_folder(), prefix="diffdenoise-") as file:
            if hasattr(os, "posix_fallocate"):
                # all of it now: a full disk is an error here, and would kill the process when a page is written
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            mapped = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise _no_room(size, f"they cannot be had: {error.strerror or error}") from error
    _mapped.add(mapped)
    return mapped


def drop_pages() -> None:
    """Give the memory that shows scratch files back to the system; the values stay, in the files.

    The system would take it back by itself, but only once it has nothing else left. Call it after a pass.
    """
    if hasattr(mmap, "MADV_DONTNEED"):
        for mapped in list(_mapped):
            mapped.madvise(mmap.MADV_DONTNEED)


def runs(array: torch.Tensor, slice_axis: int = -1) -> Iterator[tuple[slice, ...]]:
    """Go through an array once, in runs of slices of one channel.

    Args:
        array: (C, *spatial).
        slice_axis: spatial axis of the slices; of two spatial axes both are taken whole.

    Yields:
        an index: the channel as a slice of length 1, and a slice for each spatial axis. Pages are dropped after each.
    """
    whole = [slice(None)] * (array.dim() - 1)
    axis = slice_axis % 3 if len(whole) == 3 else None
    depth = 1 if axis is None else array.shape[axis + 1]
    step = max(1, _RUN_VOXELS // max(math.prod(array.shape[1:]) // depth, 1))
    for channel in range(array.shape[0]):
        for start in range(0, depth, step):
            if axis is not None:
                whole[axis] = slice(start, min(start + step, depth))
            yield (slice(channel, channel + 1), *whole)
            drop_pages()


def digest(array: torch.Tensor, slice_axis: int = -1) -> str:
    """SHA-256 of an array, its shape and its number type, wherever and in whatever order it lies in memory.

    Args:
        array: (C, *spatial).
        slice_axis: spatial axis of the slices, which are read one by one.

    Returns:
        64 hexadecimal digits.
    """
    plain = array.detach().as_subclass(torch.Tensor)
    found = hashlib.sha256(repr((tuple(plain.shape), str(plain.dtype), slice_axis % 3)).encode())
    for index in runs(plain, slice_axis):
        part = plain[index][0]
        slices = part.movedim(slice_axis % 3, 0) if part.dim() == 3 else part[None]
        for one in slices:
            found.update(np.ascontiguousarray(one.cpu().numpy()).data)
    return found.hexdigest()

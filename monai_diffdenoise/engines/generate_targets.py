# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Make targets for volumes, over several runs and processes if need be."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import distributed

from monai_diffdenoise.engines.progress import ProgressCallback
from monai_diffdenoise.engines.target_cache import TargetCache
from monai_diffdenoise.errors import InputError

__all__ = ["generate_targets"]


def generate_targets(
    volumes: Sequence[Mapping[str, Any]],
    make: Callable[[Mapping[str, Any]], tuple[torch.Tensor, torch.Tensor]],
    cache: TargetCache,
    rank: int = 0,
    world_size: int = 1,
    progress: ProgressCallback | None = None,
) -> list[dict[str, Any]]:
    """Make the targets that are not in the cache yet, and read all of them from it.

    Each process makes those of its own volumes. What a volume's target is must not depend on other volumes; then it is
    the same whatever the number of processes, and whatever was made before an interruption. How much room is needed is
    said on standard error before anything is made.

    Args:
        volumes: dictionaries with ``image`` (C, X, Y, Z) and what ``make`` needs.
        make: from such a dictionary to a target of the shape and in the units of ``image``, and a weight of
            (1, X, Y, Z), 0 to 1.
        cache: where they are kept.
        rank: of this process.
        world_size: number of processes. Those of one process group wait for each other at the end.
        progress: called with ("targets", volumes done, volumes in all of this process).

    Returns:
        the dictionaries with ``targets`` and ``weight``, mapped from the cache; of processes without a group, those
        that are there by now.

    Raises:
        InputError: a rank outside the processes, or no room on the disk.
    """
    if not 0 <= rank < world_size:
        raise InputError(f"got rank {rank} of {world_size} processes; expected 0 to {world_size - 1}")
    keys = [cache.key(volume["image"]) for volume in volumes]
    # volumes that are equal share a target, which the owner of the first one makes
    first = {key: number for number, key in reversed(list(enumerate(keys)))}
    missing = [number for key, number in first.items() if not cache.has(key)]
    if rank == 0:
        _announce([volumes[number]["image"] for number in missing], len(first), cache)
    mine = sorted(number for number in first.values() if number % world_size == rank)
    for done, number in enumerate(mine, start=1):
        if not cache.has(keys[number]):
            cache.write(keys[number], *make(volumes[number]))
        if progress is not None:
            progress("targets", done, len(mine))
    while distributed.is_initialized() and not all(cache.has(key) for key in keys):
        # no barrier: it gives up after some minutes, and volumes may take hours
        time.sleep(0.2)
    return [{**volume, **cache.read(key)} for volume, key in zip(volumes, keys, strict=True) if cache.has(key)]


def _announce(images: Sequence[torch.Tensor], total: int, cache: TargetCache) -> None:
    """Say what the missing targets will take, and refuse when there is no room for it."""
    needed = sum(4 * (image.numel() + image[:1].numel()) for image in images)
    print(
        f"targets: {len(images)} of {total} volumes to do, {needed / 2**20:.1f} MB in {cache.folder}",
        file=sys.stderr,
        flush=True,
    )
    place = cache.folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise InputError(
            f"targets need {needed} bytes in {cache.folder}, and {free} are free: make room or choose another folder"
        )

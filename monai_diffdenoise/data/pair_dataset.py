# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noisy pairs by number: the same number gives the same pair, in any process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from monai_diffdenoise.data.storage import drop_pages
from monai_diffdenoise.errors import InputError

__all__ = ["CountingSampler", "PairDataset", "pair_loader"]

# A patch touches a few hundred pages of a mapped volume.
_DROP_EVERY = 64


class PairDataset(Dataset):
    """An endless supply of random pairs, addressed by number.

    Item k depends on (seed, k) alone, not on which process draws it or on what was drawn before; so results are
    bit-equal for any number of workers, and a resumed run goes on with the very pair that was due.

    Args:
        volumes: dictionaries that ``transform`` understands, each with a tensor under ``key``. Where one holds a
            ``scaling``, the pair's ``image`` and ``target`` are brought to its units, patch by patch, so that no
            scaled copy of the volume is needed.
        transform: a random MONAI transform from such a dictionary to a pair.
        seed: of the whole supply.
        length: what ``len()`` says; items are drawn for any number.
        key: whose number of elements says how often a volume is drawn.
    """

    def __init__(
        self, volumes: Sequence[Mapping[str, Any]], transform: Any, seed: int = 0, length: int = 1, key: str = "image"
    ) -> None:
        if not volumes:
            raise InputError("got no volume to train on; expected at least one: give a NIfTI file or a folder of them")
        self.volumes, self.transform, self.seed, self.length = list(volumes), transform, seed, length
        sizes = np.array([float(v[key].numel()) for v in self.volumes])
        self.share = np.cumsum(sizes / sizes.sum())
        self.drawn = 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        if not number >= 0:
            raise IndexError(number)
        first, second = np.random.SeedSequence([self.seed, number]).generate_state(2)
        which = min(int(np.searchsorted(self.share, first / 2**32, side="right")), len(self.volumes) - 1)
        self.transform.set_random_state(seed=int(second))
        volume = self.volumes[which]
        pair = self.transform(volume)
        if "scaling" in volume:
            pair.update((name, volume["scaling"].apply(pair[name])) for name in ("image", "target"))
            # the weight of a large volume takes a byte a voxel
            pair["weight"] = pair["weight"].to(pair["image"].dtype)
        self.drawn += 1
        if self.drawn % _DROP_EVERY == 0:
            drop_pages()
        return pair


class CountingSampler(Sampler[int]):
    """The numbers from ``start`` to ``stop`` in order, one of ``world_size`` interleaved parts.

    Args:
        stop: one past the last number.
        start: the first number; set it before training goes on from a checkpoint.
        rank: which part, 0 to ``world_size - 1``.
        world_size: number of processes.
    """

    def __init__(self, stop: int, start: int = 0, rank: int = 0, world_size: int = 1) -> None:
        self.start, self.stop, self.rank, self.world_size = start, stop, rank, world_size

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start + self.rank, self.stop, self.world_size))

    def __len__(self) -> int:
        return len(range(self.start + self.rank, self.stop, self.world_size))


def pair_loader(
    dataset: PairDataset,
    batch_size: int = 8,
    iterations: int = 1,
    num_workers: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> DataLoader:
    """A loader of exactly ``iterations`` batches a process, numbered on from 0 across all processes.

    Args:
        dataset: the supply.
        batch_size: pairs a batch and process.
        iterations: batches in all.
        num_workers: processes that draw pairs beside the training. On Linux they share the volumes' memory, mapped
            or not; elsewhere torch copies them once to shared memory.
        rank: this process.
        world_size: number of processes.
    """
    sampler = CountingSampler(batch_size * iterations * world_size, rank=rank, world_size=world_size)
    # Python 3.14 no longer forks by itself, and any other way copies the volumes
    context = "fork" if num_workers > 0 and sys.platform == "linux" else None
    return DataLoader(
        dataset, batch_size=batch_size, sampler=sampler, num_workers=num_workers, multiprocessing_context=context
    )

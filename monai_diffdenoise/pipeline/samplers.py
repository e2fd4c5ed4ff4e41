# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a conditional model is asked in training and afterwards, by one name for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from monai.networks.schedulers import Scheduler

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import (
    ConditionalMeanInferer,
    ConditionalMeanPairInferer,
    DiffusionPairInferer,
    DiffusionState,
    SRDSInferer,
)

__all__ = ["make_sampler", "make_training_inferer"]

Sampler = Literal["mean", "srds"]


def _check(sampler: str) -> None:
    if sampler not in get_args(Sampler):
        raise InputError(f"got sampler={sampler!r}; expected one of {get_args(Sampler)}")


def make_training_inferer(
    sampler: Sampler,
    scheduler: Scheduler,
    state: DiffusionState,
    condition_noise: float | Sequence[float] = 0.0,
    seed: int = 0,
) -> ConditionalMeanPairInferer | DiffusionPairInferer:
    """What the network is asked in training.

    Args:
        sampler: "mean": the mean of the target, at the last time alone, see
            :class:`~monai_diffdenoise.inferers.ConditionalMeanPairInferer`. "srds": the way back from all times.
        scheduler: of "srds", with velocity prediction.
        state: what stands for target and condition.
        condition_noise: of "srds", see :class:`~monai_diffdenoise.inferers.DiffusionPairInferer`.
        seed: of "srds".

    Raises:
        InputError: another name.
    """
    _check(sampler)
    if sampler == "mean":
        return ConditionalMeanPairInferer(state)
    return DiffusionPairInferer(scheduler, state, condition_noise, seed=seed)


def make_sampler(
    sampler: Sampler,
    scheduler: Scheduler,
    state: DiffusionState,
    steps: int = 1,
    pairs: int = 1,
    condition_noise: float | Sequence[float] = 0.0,
    seed: int = 0,
    batch_size: int = 8,
    tile: int = 512,
    amp: bool = True,
) -> ConditionalMeanInferer | SRDSInferer:
    """What the trained network is asked.

    Args:
        sampler: as in training.
        scheduler: as in training.
        state: as in training.
        steps: of "srds": evaluations of the network a draw.
        pairs: of "srds": symmetric pairs.
        condition_noise: as in training.
        seed: of "srds".
        batch_size: slices a pass.
        tile: largest side of a tile in pixels.
        amp: bfloat16 on a CUDA GPU.

    Raises:
        InputError: another name, or numbers that the sampler refuses.
    """
    _check(sampler)
    how: dict[str, Any] = {"batch_size": batch_size, "tile": tile, "amp": amp}
    if sampler == "mean":
        return ConditionalMeanInferer(state, **how)
    return SRDSInferer(scheduler, steps, pairs, state, condition_noise, seed=seed, **how)

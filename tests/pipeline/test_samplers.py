# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Samplers by name: what training asks and what denoising asks belong together."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.networks.schedulers import DDPMScheduler

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import (
    ConditionalMeanPairInferer,
    DiffusionPairInferer,
    DiffusionState,
    SRDSInferer,
)
from monai_diffdenoise.pipeline import make_sampler, make_training_inferer

SCHEDULER, STATE = DDPMScheduler(1000, prediction_type="v_prediction"), DiffusionState(True, 0.2)
CONDITION = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Velocity(torch.nn.Module):
    """The right answer at the last time when the target is 0.1 above the condition."""

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor | None = None) -> torch.Tensor:
        return torch.full_like(x[:, :1], -0.5)


def test_the_mean_is_what_its_training_asks_for() -> None:
    pair = {"image": CONDITION, "target": CONDITION + 0.1, "weight": torch.ones_like(CONDITION)}
    inferer = make_training_inferer("mean", SCHEDULER, STATE)
    assert isinstance(inferer, ConditionalMeanPairInferer)
    asked: Any = inferer(CONDITION, Velocity(), pair=pair)
    torch.testing.assert_close(asked["output"], asked["expected"])
    for further in ({}, {"pair": pair}):
        # MONAI's evaluator passes the pair, and wants an image all the same
        result = make_sampler("mean", SCHEDULER, STATE)(CONDITION, Velocity(), **further)
        torch.testing.assert_close(result, pair["target"])


def test_a_checkpoint_can_keep_either() -> None:
    for name in ("mean", "srds"):
        inferer: Any = make_training_inferer(name, SCHEDULER, STATE, seed=3)  # type: ignore[arg-type]
        inferer.load_state_dict(inferer.state_dict())


def test_symmetric_sampling_gets_its_numbers() -> None:
    training = make_training_inferer("srds", SCHEDULER, STATE, 0.03, 5)
    assert isinstance(training, DiffusionPairInferer) and (training.condition_noise, training.seed) == (0.03, 5)
    sampler = make_sampler("srds", SCHEDULER, STATE, 4, 3, 0.03, 5, 2, 64, False)
    assert isinstance(sampler, SRDSInferer) and sampler.state is STATE
    assert (len(sampler.steps), sampler.num_pairs, sampler.condition_noise, sampler.seed) == (4, 3, 0.03, 5)
    assert (sampler.batch_size, sampler.tile, sampler.amp) == (2, 64, False)


def test_other_names_are_refused() -> None:
    for make in (make_training_inferer, make_sampler):
        with pytest.raises(InputError, match="sampler='ddim'"):
            make("ddim", SCHEDULER, STATE)  # type: ignore[arg-type]

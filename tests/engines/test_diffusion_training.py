# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Trainings of a conditional diffusion model by the same trainer, chosen by the error of what is sampled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.networks.schedulers import DDPMScheduler

from monai_diffdenoise.engines import PairTraining, TrainingOptions
from monai_diffdenoise.inferers import DiffusionPairInferer, DiffusionState, SRDSInferer
from monai_diffdenoise.losses import DiffusionPairLoss
from monai_diffdenoise.networks import ConditionalDiffusion
from monai_diffdenoise.transforms import ConditionedPair, RandConditionedPaird

SCHEDULER = DDPMScheduler(1000, prediction_type="v_prediction")
OPTIONS: dict[str, Any] = {
    "iterations": 6,
    "epoch_length": 3,
    "batch_size": 2,
    "patch_size": 16,
    "learning_rate": 4e-3,
    "weight_decay": 1e-5,
    "ema_decay": 0.9,
    "validation_pairs": 4,
    "patience": 0,
    "num_workers": 0,
    "seed": 0,
    "amp": False,
    "compile": False,
}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def volume(picture: Callable[..., torch.Tensor]) -> dict[str, torch.Tensor]:
    """A noisy volume with a condition that is too dark by 0.1, so that there is something to learn."""
    return {"image": picture(0.1), "condition": picture(0.0) - 0.1}


def train(volumes: list, target: Any = "neighbor", folder: Path | None = None, **changes: Any) -> PairTraining:
    names = ("resume", "progress", "held_out_pairing", "held_out_volumes")
    more = {name: changes.pop(name) for name in names if name in changes}
    torch.manual_seed(0)
    state = DiffusionState(True, 0.1)
    return PairTraining(
        ConditionalDiffusion(channels=(4, 8), norm_num_groups=4),
        volumes,
        ConditionedPair(target),
        DiffusionPairLoss(),
        DiffusionPairInferer(SCHEDULER, state),
        TrainingOptions(**{**OPTIONS, **changes}),
        torch.device("cpu"),
        folder,
        make_pairs=RandConditionedPaird,
        held_out_inferer=SRDSInferer(SCHEDULER, 2, state=state),
        **more,
    )


def test_what_is_sampled_gets_better_and_is_what_is_scored(volume: dict) -> None:
    training = train([volume], iterations=80, epoch_length=20)
    network = training.run()
    scores = training.scores()
    # the condition is off by 0.1, and the target's noise has a variance of 0.01
    assert scores["input_error"] == pytest.approx(0.02, rel=0.15)
    assert scores["pair_error"] < 0.0125
    condition = volume["condition"].movedim(-1, 0)
    mean = SRDSInferer(SCHEDULER, 2)(condition, network)
    assert float((mean - condition).mean()) == pytest.approx(0.1, abs=0.03)


def test_a_run_that_was_stopped_draws_what_was_due(volume: dict, tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    whole = train([volume]).run().state_dict()
    with pytest.raises(KeyboardInterrupt):
        train([volume], folder=tmp_path, progress=stop).run()
    rest = train([volume], folder=tmp_path, resume=True)
    found = rest.run().state_dict()
    assert all(torch.equal(found[name], value) for name, value in whole.items())


def test_held_out_pairs_may_be_of_another_kind_and_of_other_volumes(volume: dict) -> None:
    other = {"image": volume["image"], "condition": volume["condition"] + 5, "targets": volume["image"] + 7}
    pairing = ConditionedPair("recorrupted")
    training = train([volume], "same", held_out_pairing=pairing, held_out_volumes=[other])
    seen: list[dict] = []
    training.evaluator.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: seen.append(engine.state.output["label"])
    )
    training.run()
    assert seen
    for pair in seen:
        assert float(pair["image"].mean()) == pytest.approx(5.4, abs=0.3)
        assert float(pair["target"].mean()) == pytest.approx(7.5, abs=0.3)

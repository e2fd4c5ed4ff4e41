# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The score chooses the weights and the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_diffdenoise.engines import BestWeights, WeightAverage, load_weights
from monai_diffdenoise.errors import InputError

NAN, INF = math.nan, math.inf


def network_of(value: float) -> nn.Linear:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, value)
    return network


def scored(scores: Sequence[float], best: BestWeights | None = None, **arguments) -> tuple[BestWeights, int]:
    """Train as long as it is let; at evaluation k (from 1) the averaged weight is k and the score is the k-th."""
    best = best if best is not None else BestWeights(WeightAverage(network_of(0.0)), **arguments)
    evaluator, trainer = Engine(lambda *_: None), Engine(lambda *_: None)
    best.trainer = trainer
    first = best.count

    def evaluate(engine: Engine) -> None:
        evaluator.run([0])

    def measure(engine: Engine) -> None:
        k = first + trainer.state.epoch
        nn.init.constant_(best.average.network.weight, float(k))
        engine.state.metrics.update(pair_error=scores[trainer.state.epoch - 1], input_error=0.5)

    evaluator.add_event_handler(Events.EPOCH_COMPLETED, measure)
    best.attach(evaluator)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, evaluate)
    trainer.run([0], max_epochs=len(scores))
    return best, trainer.state.epoch


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ([3.0, 1.0, 2.0], 2),
        ([3.0, 2.0, 1.0], 3),
        ([1.0, 1.0, 1.0], 1),
        ([NAN, 5.0, NAN, 6.0], 2),
        ([INF, 5.0, -INF], 2),
        ([5.0, NAN, 4.0], 3),
    ],
)
def test_the_lowest_finite_score_chooses(scores: list[float], chosen: int) -> None:
    best, epochs = scored(scores)
    assert epochs == len(scores)
    assert best.evaluation == chosen
    assert best.score == scores[chosen - 1]
    assert best.load_into(network_of(-1.0)).weight.item() == chosen
    assert best.history == pytest.approx(scores, nan_ok=True)


@pytest.mark.parametrize("bad", [NAN, INF])
def test_without_a_finite_score_the_first_weights_stay(bad: float) -> None:
    best, _ = scored([bad, bad])
    assert best.evaluation == 0
    assert best.score == INF
    assert best.load_into(network_of(-1.0)).weight.item() == 0.0


@pytest.mark.parametrize(
    ("scores", "patience", "end"),
    [
        ([1.0, 2.0, 3.0, 4.0, 0.5], 2, 3),
        ([1.0, 2.0, 0.5, 4.0, 5.0, 0.1], 2, 5),
        ([1.0, 2.0, 0.5, 4.0, 0.1], 2, 5),
        ([1.0, 1.0, 1.0], 1, 2),
        ([NAN] * 6, 3, 3),
        ([1.0, 2.0, 3.0, 4.0], 0, 4),
    ],
)
def test_patience_ends_the_training(scores: list[float], patience: int, end: int) -> None:
    best, epochs = scored(scores, patience=patience)
    assert epochs == end
    assert best.exhausted == (end < len(scores))


def test_patience_runs_on_after_a_restart() -> None:
    before, _ = scored([1.0, 2.0, 3.0], patience=5)
    after = BestWeights(WeightAverage(network_of(9.0)), patience=5)
    after.load_state_dict(before.state_dict())
    assert (after.score, after.evaluation, after.count) == (1.0, 1, 3)
    assert after.metrics == {"pair_error": 3.0, "input_error": 0.5}
    assert not after.exhausted
    after, epochs = scored([4.0, 5.0, 6.0, 7.0], best=after)
    assert epochs == 3
    assert after.history == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert after.load_into(network_of(-1.0)).weight.item() == 1.0


def test_the_kept_weights_do_not_move_with_the_average() -> None:
    best, _ = scored([1.0])
    nn.init.constant_(best.average.network.weight, 77.0)
    assert best.weights["weight"].item() == 1.0


def test_the_best_weights_are_written(tmp_path: Path) -> None:
    path = tmp_path / "models" / "model.pt"
    scored([3.0, 1.0, 2.0], path=path)
    assert load_weights(network_of(-1.0), path).weight.item() == 2.0
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]


def test_state_is_plain_data(tmp_path: Path) -> None:
    best, _ = scored([3.0, NAN])
    torch.save(best.state_dict(), tmp_path / "best.pt")
    other = BestWeights(WeightAverage(network_of(9.0)))
    other.load_state_dict(torch.load(tmp_path / "best.pt", weights_only=True))
    assert other.score == 3.0
    assert math.isnan(other.history[1])


def test_negative_patience_is_refused() -> None:
    with pytest.raises(InputError, match=r"0 \(never stop early\)"):
        BestWeights(WeightAverage(network_of(0.0)), patience=-1)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from pathlib import Path

import ignite.distributed as idist
import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_diffdenoise.engines import BestWeights, TrainingDivergedError, WeightAverage, run_training


class Training:
    """An engine of four epochs of one iteration, each of which ends with the next of some scores."""

    def __init__(self, scores: list[float], patience: int = 0, path: Path | None = None) -> None:
        self.network = nn.Linear(1, 1, bias=False)
        self.average = WeightAverage(self.network, 0.0)
        self.best = BestWeights(self.average, patience=patience, path=path)
        self.trainer = Engine(self.step)
        self.trainer.state.max_epochs, self.trainer.state.epoch_length = 4, 1
        self.scores = iter(scores)
        self.evaluator = Engine(lambda engine, batch: None)
        self.evaluator.add_event_handler(Events.EPOCH_COMPLETED, self.score)
        self.best.attach(self.evaluator)
        self.trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: self.evaluator.run([0]))
        # MONAI's trainers know their data and length by themselves
        run = self.trainer.run
        self.trainer.run = lambda: run([0], max_epochs=4)  # type: ignore[method-assign]

    def step(self, engine: Engine, batch: int) -> None:
        nn.init.constant_(self.network.weight, float(engine.state.iteration))
        self.average.update()

    def score(self, engine: Engine) -> None:
        engine.state.metrics["pair_error"] = next(self.scores)

    def run(self) -> None:
        run_training(self.trainer, self.best)


def test_best_weights_are_written_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "model.pt"
    training = Training([3.0, 1.0, 2.0, 4.0], path=path)
    training.run()
    assert torch.load(path, weights_only=True).keys() == {"weight"}
    best = training.best.load_into(nn.Linear(1, 1, bias=False))
    assert torch.equal(torch.load(path, weights_only=True)["weight"], best.weight)
    expected = f"4 iterations; best validation 2 of 4, pair error 1; wrote {path}\n"
    assert capsys.readouterr().err == expected


def test_patience_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    Training([1.0, 2.0, 3.0, 4.0], patience=2).run()
    assert capsys.readouterr().err == "3 iterations; best validation 1 of 3, pair error 1\n"


def test_finished_training_is_not_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    training = Training([1.0, 2.0, 3.0, 4.0], path=path)
    training.run()
    written = path.read_bytes()
    path.unlink()
    training.run()
    assert training.trainer.state.iteration == 4
    assert len(path.read_bytes()) == len(written)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_finite_score_is_an_error(tmp_path: Path, value: float) -> None:
    with pytest.raises(TrainingDivergedError, match="none of 4 validations"):
        Training([value] * 4, path=tmp_path / "model.pt").run()
    assert list(tmp_path.iterdir()) == []


def test_other_processes_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idist, "get_rank", lambda: 1)
    Training([1.0] * 4, path=tmp_path / "model.pt").run()
    assert capsys.readouterr().err == ""
    assert list(tmp_path.iterdir()) == []

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Whole trainings: they learn, they repeat to the last bit, and a killed one goes on as if nothing had been."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.transforms import Transform
from torch import nn

from monai_diffdenoise.engines import PairTraining, TrainingDivergedError
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.losses import NeighborSliceLoss

Make = Callable[..., PairTraining]
KILLED = Path(__file__).with_name("killed.py")

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork and SIGKILL")


pytestmark = pytest.mark.usefixtures("one_thread")


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class Interrupt:
    """Progress callback that presses Ctrl-C at an iteration."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, stage: str, done: int, total: int) -> None:
        if done == self.at:
            raise KeyboardInterrupt


def test_it_learns_without_a_clean_image(train: Make, picture: Callable) -> None:
    training = train(iterations=150, epoch_length=25)
    network = training.run()
    scores = training.scores()
    assert scores["iterations"] == 150
    assert scores["skipped_iterations"] == 0
    assert len(scores["validations"]) == 6
    assert scores["pair_error"] == min(scores["validations"]) == scores["validations"][scores["best_validation"] - 1]
    # the input against a neighbor has twice the noise's variance of 0.01, a good estimate once
    assert scores["input_error"] == pytest.approx(0.02, rel=0.25)
    assert scores["pair_error"] < 0.7 * scores["input_error"]
    clean, noisy = picture(0.0)[..., 0], picture(0.1)[..., 0]
    with torch.no_grad():
        denoised = network(noisy[None])[0]
    assert (denoised - clean).square().mean() < 0.4 * (noisy - clean).square().mean()


def test_the_best_average_is_returned(train: Make) -> None:
    training = train()
    network = training.run()
    assert network is training.average.network
    assert not network.training
    assert same(weights_of(network), training.best.weights)


def test_the_same_seed_gives_the_same_bits(train: Make) -> None:
    first, second, other = (train(seed=seed) for seed in (3, 3, 4))
    results = [weights_of(training.run()) for training in (first, second, other)]
    assert same(results[0], results[1])
    assert first.scores() == second.scores()
    assert not same(results[0], results[2])


def test_pairs_drawn_by_other_processes_give_the_same_bits(train: Make) -> None:
    alone, helped = train(num_workers=0), train(num_workers=2)
    assert same(weights_of(alone.run()), weights_of(helped.run()))
    assert alone.scores() == helped.scores()


@pytest.mark.parametrize(("iterations", "epoch_length", "done"), [(12, 4, 12), (10, 4, 12), (1, 1, 1)])
def test_iterations_are_rounded_up_to_epochs(train: Make, iterations: int, epoch_length: int, done: int) -> None:
    told: list[tuple[str, int, int]] = []
    training = train(iterations=iterations, epoch_length=epoch_length, progress=lambda *args: told.append(args))
    training.run()
    assert training.scores()["iterations"] == done
    assert told == [("training", k, done) for k in range(1, done + 1)]


def test_mixed_precision_is_quietly_left_out_on_a_cpu(train: Make, capfd: pytest.CaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixed, plain = train(amp=True), train(amp=False)
        assert same(weights_of(mixed.run()), weights_of(plain.run()))
    assert capfd.readouterr() == ("", "")


def test_small_slices_and_a_weight_are_welcome(train: Make, picture: Callable) -> None:
    image = picture(shape=(9, 5, 4))
    weight = torch.ones_like(image)
    weight[..., -1] = 0
    training = train(volumes=[{"image": image, "weight": weight}, {"image": picture()}])
    training.run()
    assert math.isfinite(training.scores()["pair_error"])


@pytest.mark.parametrize(("shape", "side"), [((9, 5, 4), 16), ((20, 24, 4), 24), ((40, 50, 4), 32)])
def test_validation_patches_are_larger_where_the_slices_are(
    train: Make, picture: Callable, shape: tuple[int, int, int], side: int
) -> None:
    seen: set[tuple[int, ...]] = set()
    training = train(volumes=[{"image": picture(shape=shape)}], patch_size=16)
    training.evaluator.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: seen.add(tuple(engine.state.output["image"].shape))
    )
    training.run()
    assert seen == {(4, 1, side, side)}


class Counted(Transform):
    """Marks the pairs that it has seen."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}

    def __call__(self, pair: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        side = pair["image"].shape[-1]
        self.sizes[side] = self.sizes.get(side, 0) + 1
        return pair | {"weight": pair["weight"] * 0.5}


def test_what_is_done_after_is_done_in_training_and_validation(train: Make) -> None:
    after = Counted()
    seen: set[float] = set()
    training = train(after=after)
    for engine in (training.trainer, training.evaluator):
        engine.add_event_handler(
            Events.ITERATION_COMPLETED, lambda e: seen.update(e.state.output["label"]["weight"].unique().tolist())
        )
    training.run()
    # 12 steps of 2 pairs, 3 validations of 4 larger ones
    assert after.sizes == {16: 24, 24: 12}
    assert max(seen) == 0.5


def test_no_volume_is_the_users_mistake(train: Make) -> None:
    with pytest.raises(InputError, match="no volume"):
        train(volumes=[])


def test_where_nothing_matches_the_network_stays_the_identity(train: Make, picture: Callable) -> None:
    image = picture()
    training = train(volumes=[{"image": image, "weight": torch.zeros_like(image)}])
    network = training.run()
    assert training.scores()["pair_error"] == training.scores()["input_error"] == math.inf
    assert torch.equal(network(image[..., 0][None])[0], image[..., 0])


class Patience(NeighborSliceLoss):
    """A loss that leads away from the start, so that the first validation stays the best."""

    def forward(self, prediction: dict[str, torch.Tensor], pair: dict[str, Any]) -> torch.Tensor:
        return (prediction["image"] - 7).square().mean()


@pytest.mark.parametrize("patience", [1, 2])
def test_it_stops_when_the_score_no_longer_falls(train: Make, patience: int) -> None:
    training = train(iterations=40, patience=patience, loss=Patience(), ema_decay=0.0)
    training.run()
    scores = training.scores()
    assert scores["best_validation"] == 1
    assert len(scores["validations"]) == 1 + patience
    assert scores["iterations"] == 4 * (1 + patience)


def test_a_stopped_run_is_over_when_it_is_resumed(train: Make, tmp_path: Path) -> None:
    arguments = {"iterations": 40, "patience": 1, "loss": Patience(), "ema_decay": 0.0, "folder": tmp_path}
    first = train(**arguments)
    network = weights_of(first.run())
    again = train(**arguments, resume=True)
    assert same(weights_of(again.run()), network)
    assert again.scores() == first.scores()


def test_a_finished_run_is_over_when_it_is_resumed(train: Make, tmp_path: Path) -> None:
    first = train(folder=tmp_path)
    network = weights_of(first.run())
    again = train(folder=tmp_path, resume=True)
    assert same(weights_of(again.run()), network)
    # the input's score above all: what is not better than it is not used
    assert again.scores() == first.scores()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("moment", [2, 4, 5, 11])
def test_ctrl_c_leaves_a_state_to_go_on_from(train: Make, tmp_path: Path, moment: int, workers: int) -> None:
    whole = train()
    expected = weights_of(whole.run())
    with pytest.raises(KeyboardInterrupt):
        train(folder=tmp_path, progress=Interrupt(moment)).run()
    assert len(list(tmp_path.iterdir())) == min((moment - 1) // 4, 2)
    resumed = train(folder=tmp_path, resume=True, num_workers=workers)
    assert resumed.trainer.state.iteration == (moment - 1) // 4 * 4
    assert same(weights_of(resumed.run()), expected)
    assert same(resumed.trainer.network.state_dict(), whole.trainer.network.state_dict())
    assert resumed.scores() == whole.scores()


def test_a_spoilt_newest_checkpoint_costs_one_epoch_and_no_bit(train: Make, tmp_path: Path) -> None:
    expected = weights_of(train().run())
    with pytest.raises(KeyboardInterrupt):
        train(folder=tmp_path, progress=Interrupt(10)).run()
    newest = max(tmp_path.iterdir())
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = train(folder=tmp_path, resume=True)
    assert resumed.trainer.state.iteration == 4
    assert same(weights_of(resumed.run()), expected)


def test_another_run_is_not_resumed(train: Make, tmp_path: Path) -> None:
    train(folder=tmp_path, fingerprint="this input").run()
    with pytest.raises(InputError, match="another run"):
        train(folder=tmp_path, fingerprint="that input", resume=True)


def test_without_a_folder_nothing_is_written(train: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train().run()
    assert list(tmp_path.iterdir()) == []


class Breaking(NeighborSliceLoss):
    """Not a number at some calls."""

    def __init__(self, bad: Callable[[int], bool]) -> None:
        super().__init__()
        self.bad, self.calls = bad, 0

    def forward(self, prediction: dict[str, torch.Tensor], pair: dict[str, Any]) -> torch.Tensor:
        self.calls += 1
        loss = super().forward(prediction, pair)
        return loss * math.nan if self.bad(self.calls) else loss


def test_single_bad_losses_are_skipped_and_counted(train: Make, tmp_path: Path) -> None:
    bad = {3, 6}
    training = train(loss=Breaking(lambda call: call in bad), folder=tmp_path)
    network = training.run()
    assert training.scores()["skipped_iterations"] == 2
    assert all(value.isfinite().all() for value in network.state_dict().values())
    assert train(folder=tmp_path, resume=True).scores()["skipped_iterations"] == 2


def test_a_run_that_goes_bad_ends_before_it_is_validated_or_saved(train: Make, tmp_path: Path) -> None:
    training = train(loss=Breaking(lambda call: call > 4), folder=tmp_path)
    with pytest.raises(TrainingDivergedError, match="4 of 4"):
        training.run()
    assert len(training.best.history) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["state_00000004.pt"]


def final(train: Make, folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    training = train(folder=folder, fingerprint="x", resume=True)
    return weights_of(training.run()), training.scores()


@needs_fork
def test_a_killed_run_goes_on_to_the_same_weights(train: Make, tmp_path: Path) -> None:
    whole = train(fingerprint="x")
    expected = weights_of(whole.run())
    # in the first epoch, before its end is saved, while it is saved, in the second, while that is saved, in the last
    moments = ["3", "4", "saving-1", "6", "saving-2", "11"]
    done = subprocess.run(
        [sys.executable, str(KILLED), str(tmp_path), *moments], capture_output=True, text=True, check=True, timeout=120
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == moments
    assert all(line[1] == "killed" for line in lines)
    states = [[name for name in line[2:] if not name.startswith(".")] for line in lines]
    assert states == [[], [], [], ["state_00000004.pt"], *[["state_00000004.pt", "state_00000008.pt"]] * 2]
    weights, scores = final(train, tmp_path)
    assert same(weights, expected)
    assert scores == whole.scores()


@pytest.mark.slow
@needs_fork
def test_a_run_killed_from_outside_goes_on_to_the_same_weights(train: Make, tmp_path: Path) -> None:
    expected = weights_of(train(fingerprint="x").run())
    clock, reached = random.Random(0), []
    for _ in range(6):
        process = subprocess.Popen([sys.executable, str(KILLED), str(tmp_path), "slowly"], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit()
        time.sleep(clock.uniform(0, 0.6))
        os.kill(process.pid, signal.SIGKILL)
        reached.append(process.communicate()[0].split()[-1:])
        assert process.returncode == -signal.SIGKILL
        if (tmp_path / "state_00000008.pt").exists():
            break
    assert len(reached) > 1
    weights, _ = final(train, tmp_path)
    assert same(weights, expected)

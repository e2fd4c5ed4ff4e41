# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A bad batch must not spoil the weights, and a bad run must not go on."""

from __future__ import annotations

import math

import pytest
import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch import nn

from monai_diffdenoise.engines import GradientGuard, TrainingDivergedError, make_trainer
from monai_diffdenoise.losses import WeightedLoss

NAN, INF = math.nan, math.inf


def with_gradients(*gradients: list[float]) -> nn.ParameterList:
    network = nn.ParameterList(nn.Parameter(torch.zeros(len(values))) for values in gradients)
    for parameter, values in zip(network, gradients, strict=True):
        parameter.grad = torch.tensor(values)
    return network


def gradients_of(network: nn.ParameterList) -> list[list[float]]:
    return [parameter.grad.tolist() for parameter in network]


def test_small_gradients_are_left_alone_to_the_last_bit() -> None:
    network = with_gradients([0.1, -0.2], [0.3, 1e-30])
    before = gradients_of(network)
    GradientGuard(network, max_norm=1.0).clip()
    assert gradients_of(network) == before


def test_large_gradients_keep_their_direction() -> None:
    network = with_gradients([30.0], [0.0, -40.0])
    GradientGuard(network, max_norm=2.0).clip()
    assert gradients_of(network) == [pytest.approx([2 * 0.6]), pytest.approx([0.0, -2 * 0.8])]


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_one_bad_gradient_silences_all(bad: float) -> None:
    network = with_gradients([0.5, bad], [0.25])
    guard = GradientGuard(network)
    guard.clip()
    assert gradients_of(network) == [[0.0, 0.0], [0.0]]


def test_parameters_without_gradients_are_passed_over() -> None:
    network = with_gradients([3.0], [4.0])
    network[1].grad = None
    GradientGuard(network, max_norm=1.0).clip()
    assert network[1].grad is None
    assert float(network[0].grad) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(("bad", "good", "ends"), [(1, 1, False), (2, 1, True), (0, 3, False), (3, 0, True)])
def test_only_a_bad_majority_ends_the_run(bad: int, good: int, ends: bool) -> None:
    network = with_gradients([1.0])
    guard = GradientGuard(network)
    for value in [NAN] * bad + [1.0] * good:
        network[0].grad.fill_(value)
        guard.clip()
    if ends:
        with pytest.raises(TrainingDivergedError, match=f"{bad} of {bad + good} iterations"):
            guard.check()
    else:
        guard.check()
    assert guard.skipped == bad
    # the next epoch starts afresh
    network[0].grad.fill_(1.0)
    guard.clip()
    guard.check()
    assert guard.skipped == bad


def test_the_count_survives_a_restart() -> None:
    guard, other = GradientGuard(nn.Linear(1, 1)), GradientGuard(nn.Linear(1, 1))
    guard.skipped = 7
    other.load_state_dict(guard.state_dict())
    assert other.skipped == 7


def batch(value: float = 1.0) -> dict[str, torch.Tensor]:
    return {name: torch.full((1, 1, 4, 4), value) for name in ("image", "target", "weight")}


def trained(
    data: list[dict[str, torch.Tensor]], optimizer: type[torch.optim.Optimizer]
) -> tuple[nn.Module, GradientGuard]:
    torch.manual_seed(0)
    network = nn.Conv2d(1, 1, 3, padding=1)
    guard = GradientGuard(network)
    make_trainer(
        network,
        optimizer(network.parameters(), lr=0.1),
        WeightedLoss(),
        data,
        max_epochs=1,
        epoch_length=len(data),
        train_handlers=[guard],
        device="cpu",
    ).run()
    return network, guard


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("bad", [NAN, INF])
def test_a_bad_batch_leaves_the_weights_finite_and_training_goes_on(bad: float, optimizer: type) -> None:
    data = [batch(), {**batch(), "image": torch.full((1, 1, 4, 4), bad)}, batch()]
    network, guard = trained(data, optimizer)
    assert all(parameter.isfinite().all() for parameter in network.parameters())
    assert guard.skipped == 1
    if optimizer is torch.optim.SGD:
        # a skipped step of plain descent is no step
        without, _ = trained([data[0], data[2]], optimizer)
        assert all(torch.equal(a, b) for a, b in zip(network.parameters(), without.parameters(), strict=True))


def test_a_bad_epoch_ends_the_training_with_finite_weights() -> None:
    torch.manual_seed(0)
    network = nn.Conv2d(1, 1, 3, padding=1)
    data = [batch(), *({**batch(), "target": torch.full((1, 1, 4, 4), NAN)} for _ in range(3))]
    trainer = make_trainer(
        network,
        torch.optim.AdamW(network.parameters(), lr=0.1),
        WeightedLoss(),
        data,
        max_epochs=3,
        epoch_length=4,
        train_handlers=[GradientGuard(network)],
        device="cpu",
    )
    with pytest.raises(TrainingDivergedError, match="3 of 4 iterations"):
        trainer.run()
    assert trainer.state.epoch == 1
    assert all(parameter.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize(("factor", "steps"), [(1.0, True), (INF, False)])
def test_under_mixed_precision_the_true_gradients_are_clipped(factor: float, steps: bool) -> None:
    # MONAI's trainer fires the event between scaler.scale(loss).backward() and scaler.step(optimizer)
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)

    def iterate(engine: Engine, _: int) -> None:
        engine.optimizer.zero_grad()
        engine.scaler.scale((-0.5 * network.weight).sum() * factor).backward()
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        engine.scaler.step(engine.optimizer)
        engine.scaler.update()

    engine = Engine(iterate)
    engine.register_events(*IterationEvents)
    engine.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    engine.optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    guard = GradientGuard(network, max_norm=1.0)
    guard.attach(engine)
    if steps:
        engine.run([0])
        assert network.weight.item() == 0.5
        assert engine.scaler.get_scale() == 1024
    else:
        with pytest.raises(TrainingDivergedError):
            engine.run([0])
        assert network.weight.item() == 0
        # the scaler saw the overflow, though the guard silenced it afterwards
        assert engine.scaler.get_scale() == 512

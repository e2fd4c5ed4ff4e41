# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The trainer and evaluator factories."""

from __future__ import annotations

import warnings

import pytest
import torch
from ignite.engine import Events
from torch import nn

from monai_diffdenoise.engines import default_device, make_evaluator, make_trainer
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import SymmetricPairInferer
from monai_diffdenoise.losses import NeighborSliceLoss, WeightedLoss
from monai_diffdenoise.networks import ResidualDenoiser


def pairs(count: int = 3, size: int = 8) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(1, 1, size, size, generator=generator)
    return [
        {
            "image": clean + 0.3 * torch.randn(2, 1, size, size, generator=generator),
            "target": clean + 0.3 * torch.randn(2, 1, size, size, generator=generator),
            "weight": torch.ones(2, 1, size, size),
        }
        for _ in range(count)
    ]


class Shift(nn.Module):
    """f(x) = s x, one parameter."""

    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.tensor(value))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.s * image


def test_one_step_in_closed_form() -> None:
    network, batch = Shift(2.0), pairs(1)[0]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    trainer = make_trainer(network, optimizer, WeightedLoss(), [batch], max_epochs=1, epoch_length=1, device="cpu")
    trainer.run()
    gradient = 2 * ((2 * batch["image"] - batch["target"]) * batch["image"]).mean()
    torch.testing.assert_close(network.s.detach(), 2 - 0.1 * gradient)


def test_any_inferer_and_loss_of_pairs_train() -> None:
    torch.manual_seed(0)
    network = ResidualDenoiser(channels=4, levels=2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses: list[float] = []
    trainer = make_trainer(
        network,
        optimizer,
        NeighborSliceLoss(),
        pairs(4),
        max_epochs=15,
        epoch_length=4,
        inferer=SymmetricPairInferer(),
        device="cpu",
    )
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: losses.append(engine.state.output["loss"].item())
    )
    trainer.run()
    assert len(losses) == trainer.state.iteration == 60
    assert losses[-1] < 0.7 * losses[0]


def test_mixed_precision_on_a_cpu_is_quietly_left_out() -> None:
    results = []
    for amp in (True, False):
        network = Shift(2.0)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make_trainer(
                network, optimizer, WeightedLoss(), pairs(), max_epochs=1, epoch_length=3, device="cpu", amp=amp
            ).run()
            evaluator = make_evaluator(network, pairs(), device="cpu", amp=amp)
            evaluator.run()
        results.append((network.s.item(), evaluator.state.metrics["pair_error"]))
    assert results[0] == results[1]


def test_the_evaluator_scores_the_network_beside_its_input() -> None:
    data = pairs()
    evaluator = make_evaluator(Shift(0.0), data, device="cpu")
    evaluator.run()
    targets, images = (torch.cat([pair[name] for pair in data]) for name in ("target", "image"))
    assert evaluator.state.metrics["pair_error"] == pytest.approx(float(targets.square().mean()), rel=1e-5)
    assert evaluator.state.metrics["input_error"] == pytest.approx(float((images - targets).square().mean()), rel=1e-5)


def test_the_evaluator_leaves_no_gradient_and_counts_low_scores_as_good() -> None:
    network = Shift(0.0).train()
    evaluator = make_evaluator(network, pairs(), device="cpu")
    best = []
    for epoch, value in enumerate((0.0, 1.0, -5.0), start=1):
        network.s.data.fill_(value)
        evaluator.run(epoch)
        best.append(evaluator.state.best_metric_epoch)
    assert best == [1, 2, 2]
    assert network.s.grad is None


def test_handlers_are_attached_in_their_order() -> None:
    order: list[str] = []

    class Handler:
        def __init__(self, name: str) -> None:
            self.name = name

        def attach(self, engine) -> None:
            engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _: order.append(self.name))

    network = Shift()
    make_trainer(
        network,
        torch.optim.SGD(network.parameters(), lr=0.1),
        WeightedLoss(),
        pairs(1),
        max_epochs=1,
        epoch_length=1,
        train_handlers=(Handler("a"), Handler("b"), Handler("c")),
        device="cpu",
    ).run()
    assert order == ["a", "b", "c"]


def test_auto_is_a_device_that_works() -> None:
    assert float(torch.ones(1, device=default_device("auto"))) == 1
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert default_device().type == "cpu"


def test_a_named_device_is_taken() -> None:
    assert default_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99", "cuda:-1", "meta", "hpu", "Cpu"])
def test_a_device_that_is_not_there_is_the_users_mistake(name: str) -> None:
    with pytest.raises(InputError, match="expected auto, cpu or a GPU"):
        default_device(name)

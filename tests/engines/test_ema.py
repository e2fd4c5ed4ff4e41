# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The averaged weights against their formula."""

from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from monai_diffdenoise.engines import WeightAverage
from monai_diffdenoise.errors import InputError


def set_to(network: nn.Module, value: float) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)


@pytest.mark.parametrize("decay", [0.0, 0.2, 0.9, 0.999])
def test_closed_form(decay: float) -> None:
    network = nn.Linear(2, 3)
    set_to(network, 0.0)
    average, expected = WeightAverage(network, decay), 0.0
    for k in range(1, 40):
        value = float(k**2 % 7)
        set_to(network, value)
        average.update()
        keep = min(decay, (1 + k) / (10 + k))
        expected = keep * expected + (1 - keep) * value
        for parameter in average.network.parameters():
            torch.testing.assert_close(parameter, torch.full_like(parameter, expected))


def test_the_untrained_weights_are_soon_forgotten() -> None:
    network = nn.Linear(1, 1)
    set_to(network, 1000.0)
    average = WeightAverage(network, 0.999)
    set_to(network, 1.0)
    for _ in range(100):
        average.update()
    assert average.network.weight.item() == pytest.approx(1.0, abs=0.01)


def test_the_copy_is_its_own() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    average = WeightAverage(network)
    assert not average.network.training
    assert network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
    before = {name: value.clone() for name, value in average.network.state_dict().items()}
    set_to(network, 5.0)
    assert all(torch.equal(value, before[name]) for name, value in average.network.state_dict().items())


def test_buffers_are_copied_not_averaged() -> None:
    network = nn.BatchNorm1d(3)
    average = WeightAverage(network)
    network(torch.randn(9, 3))
    average.update()
    assert torch.equal(average.network.running_mean, network.running_mean)
    assert int(average.network.num_batches_tracked) == 1


def test_the_training_network_is_not_touched() -> None:
    network = nn.Linear(2, 2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    average = WeightAverage(network)
    set_to(average.network, 3.0)
    average.update()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_restored_average_goes_on_as_if_nothing_had_been() -> None:
    network = nn.Linear(2, 2)
    average = WeightAverage(network, 0.95)
    for k in range(5):
        set_to(network, float(k))
        average.update()
    other = WeightAverage(nn.Linear(2, 2), 0.95)
    other.load_state_dict(average.state_dict())
    other.source = network
    set_to(network, -1.0)
    average.update()
    other.update()
    assert torch.equal(average.network.weight, other.network.weight)
    assert other.updates == 6


def test_attached_it_follows_every_iteration() -> None:
    network = nn.Linear(1, 1)
    average = WeightAverage(network, 0.0)

    def step(engine: Engine, batch: float) -> None:
        assert average.updates == engine.state.iteration - 1
        set_to(network, batch)

    engine = Engine(step)
    average.attach(engine)
    engine.run([1.0, 2.0, 3.0], max_epochs=2)
    assert average.updates == 6
    assert average.network.weight.item() == 3.0


def test_of_a_distributed_network_the_module_inside_is_averaged() -> None:
    network = nn.Linear(1, 1)
    wrapper = nn.parallel.DistributedDataParallel.__new__(nn.parallel.DistributedDataParallel)
    nn.Module.__init__(wrapper)
    wrapper.module = network
    average = WeightAverage(wrapper)
    assert average.source is network
    assert average.network.state_dict().keys() == network.state_dict().keys()


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan")])
def test_a_decay_outside_its_range_is_refused(decay: float) -> None:
    with pytest.raises(InputError, match="0 to below 1"):
        WeightAverage(nn.Linear(1, 1), decay)

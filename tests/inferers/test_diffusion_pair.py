# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a diffusion model is asked while it trains."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.networks.schedulers import DDPMScheduler

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import DiffusionPairInferer, DiffusionState
from monai_diffdenoise.inferers.ddim import estimate_start

SCHEDULER = DDPMScheduler(1000, prediction_type="v_prediction")


class Recorder:
    """A network that gives 0 and keeps what it was asked."""

    def __init__(self) -> None:
        self.x: list[torch.Tensor] = []
        self.times: list[torch.Tensor] = []

    def __call__(self, x: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        self.x.append(x)
        self.times.append(timesteps)
        return torch.zeros_like(x[:, :1])


def pair(count: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made = {name: torch.rand(count, 1, 6, 5, generator=generator) for name in ("image", "target")}
    return {**made, "weight": torch.ones(count, 1, 6, 5)}


def ask(inferer: DiffusionPairInferer, data: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], Recorder]:
    network = Recorder()
    return inferer(data["image"], network, pair=data), network


@pytest.mark.parametrize("kind", ["v_prediction", "sample", "epsilon"])
@pytest.mark.parametrize("antithetic", [False, True])
def test_what_is_expected_leads_back_to_the_target(kind: Any, antithetic: bool) -> None:
    data, state = pair(), DiffusionState(True, 0.3)
    made, network = ask(DiffusionPairInferer(SCHEDULER, state, antithetic=antithetic, prediction_type=kind), data)
    x, times = network.x[0], network.times[0]
    assert len(x) == len(times) == (8 if antithetic else 4)
    for number in range(len(x)):
        which = number % 4
        start, _ = estimate_start(
            x[number, :1], made["expected"][number], int(times[number]), SCHEDULER.alphas_cumprod, kind
        )
        found = data["image"][which] + 0.3 * start
        torch.testing.assert_close(found, data["target"][which], rtol=0, atol=2e-2 if kind == "epsilon" else 1e-4)
        share = float(SCHEDULER.alphas_cumprod[int(times[number])])
        assert float(made["snr"][number]) == pytest.approx(share / (1 - share), rel=1e-3)
        torch.testing.assert_close(x[number, 1:], (data["image"][which] - 0.5) / 0.3)


def test_opposite_noise_at_the_same_time() -> None:
    data = pair()
    data["target"] = data["image"]
    _, network = ask(DiffusionPairInferer(SCHEDULER, antithetic=True), data)
    x, times = network.x[0], network.times[0]
    assert torch.equal(times[:4], times[4:])
    # the state of a target that is the condition is its noise alone
    torch.testing.assert_close(x[:4, :1], -x[4:, :1])


@pytest.mark.parametrize("times", [(0.0, 1.0), (0.5, 1.0), (0.999, 1.0), (0.0, 0.2)])
def test_times_cover_their_range_evenly(times: tuple[float, float]) -> None:
    inferer = DiffusionPairInferer(SCHEDULER, times=times)
    drawn = inferer.draw_times(50, torch.Generator().manual_seed(0))
    assert not torch.equal(drawn, drawn.sort().values) or times == (0.999, 1.0)
    edges = 1000 * torch.linspace(times[0], times[1], 51)
    found = drawn.sort().values
    assert bool((found >= edges[:-1].floor()).all()) and bool((found <= edges[1:].ceil()).all())
    assert int(found.max()) <= 999


def test_condition_noise_is_shown_and_not_taken_off() -> None:
    data = pair(64)
    plain, noisy = (ask(DiffusionPairInferer(SCHEDULER, condition_noise=s), data)[1].x[0] for s in (0.0, 0.2))
    assert torch.equal(plain[:, :1], noisy[:, :1])
    assert float((noisy[:, 1:] - plain[:, 1:]).std()) == pytest.approx(0.2 / DiffusionState().scale, rel=0.1)


def test_draws_depend_on_seed_and_call_and_survive_a_checkpoint() -> None:
    data = pair()
    first, second = DiffusionPairInferer(SCHEDULER, seed=1), DiffusionPairInferer(SCHEDULER, seed=1)
    one, two = ask(first, data)[1].x[0], ask(first, data)[1].x[0]
    assert not torch.equal(one, two)
    assert torch.equal(ask(second, data)[1].x[0], one)
    resumed = DiffusionPairInferer(SCHEDULER, seed=1)
    resumed.load_state_dict(second.state_dict())
    assert torch.equal(ask(resumed, data)[1].x[0], two)
    assert not torch.equal(ask(DiffusionPairInferer(SCHEDULER, seed=2), data)[1].x[0], one)


def test_global_random_numbers_are_left_alone() -> None:
    torch.manual_seed(0)
    ask(DiffusionPairInferer(SCHEDULER, condition_noise=0.1), pair())
    here = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(1), here)


@pytest.mark.parametrize("times", [(0.5, 0.5), (0.8, 0.2), (-0.1, 1.0), (0.0, 1.1)])
def test_wrong_times_are_named(times: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="in order"):
        DiffusionPairInferer(SCHEDULER, times=times)


def test_the_pair_is_needed() -> None:
    with pytest.raises(ValueError, match="needs the pair"):
        DiffusionPairInferer(SCHEDULER)(pair()["image"], Recorder())

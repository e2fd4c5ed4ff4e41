# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Symmetric sampling against closed forms, and that nothing but the place decides the noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import DiffusionState, SRDSInferer
from monai_diffdenoise.networks import ConditionalDiffusion

SCHEDULER = DDPMScheduler(1000, prediction_type="v_prediction")
IMAGE = DiffusionState(False, 0.5, 0.5)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Gaussian(nn.Module):
    """The perfect network (v) for images that are Gaussian about the condition's state, pixel by pixel."""

    def __init__(self, shift: float = 0.0, spread: float = 0.5, encode: Callable = lambda c: c) -> None:
        super().__init__()
        self.shift, self.spread, self.encode = shift, spread, encode
        self.alphas = SCHEDULER.alphas_cumprod.clone()
        self.seen: list[torch.Tensor] = []
        self.times: list[int] = []
        self.modes: list[bool] = []

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        state, condition = x[:, :1], x[:, 1:2]
        self.seen.append(x)
        self.times.append(int(timesteps[0]))
        self.modes.append(self.training)
        share = self.alphas[timesteps].reshape(-1, 1, 1, 1)
        mean = self.encode(condition) + self.shift
        image, noise = share.sqrt(), (1 - share).sqrt()
        surprise = (state - image * mean) / (share * self.spread**2 + 1 - share)
        return image * noise * surprise - noise * (mean + image * self.spread**2 * surprise)


def network(condition_channels: int = 1) -> nn.Module:
    """A network that sees its neighborhood, with weights that are not the first ones."""
    torch.manual_seed(0)
    made = ConditionalDiffusion(condition_channels=condition_channels, channels=(8, 8), norm_num_groups=4)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.2)
    return made.eval()


@pytest.mark.parametrize("steps", [1, 5, 10])
@pytest.mark.parametrize("residual", [True, False])
def test_one_pair_is_the_mean_of_a_gaussian(steps: int, residual: bool) -> None:
    condition = torch.rand(3, 1, 6, 5)
    state = DiffusionState(True, 0.1) if residual else IMAGE
    model = Gaussian(0.3, 0.5, encode=torch.zeros_like if residual else lambda c: c)
    inferer = SRDSInferer(SCHEDULER, steps, state=state)
    mean = inferer(condition, model, condition=condition)
    # the start is at the condition, 0.3 off the mean: sqrt(abar_T) = 0.006 of that is left
    torch.testing.assert_close(mean, condition + 0.3 * state.scale, rtol=0, atol=2e-3 * state.scale)


def test_an_untrained_network_returns_the_condition() -> None:
    condition = torch.rand(2, 1, 9, 7)
    model = ConditionalDiffusion(channels=(8, 8), norm_num_groups=4)
    mean, spread = SRDSInferer(SCHEDULER, 80, 2)(condition, model, condition=condition, return_stats=True)
    torch.testing.assert_close(mean, condition, rtol=0, atol=1e-6)
    # and each of its draws is the condition with noise about as strong as the state's scale
    assert float(spread.square().mean().sqrt()) == pytest.approx(0.1, rel=0.2)


def test_the_spread_is_that_of_the_draws() -> None:
    condition = torch.full((4, 1, 32, 32), 0.5)
    model = Gaussian(0.0, 0.5, encode=torch.zeros_like)
    inferer = SRDSInferer(SCHEDULER, 200, 4, DiffusionState(True, 0.1))
    _, spread = inferer(condition, model, condition=condition, return_stats=True)
    assert float(spread.square().mean().sqrt()) == pytest.approx(0.05, rel=0.06)


def test_a_pair_beats_two_independent_draws() -> None:
    condition = torch.rand(2, 1, 16, 16)
    model = Gaussian(0.0, 0.5, encode=torch.zeros_like)
    errors = [
        float((SRDSInferer(SCHEDULER, 10, symmetric=way)(condition, model, condition=condition) - condition).std())
        for way in (True, False)
    ]
    assert errors[0] < 0.01 * errors[1]


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_batches_change_nothing(batch_size: int) -> None:
    condition, model = torch.rand(5, 1, 12, 8), network()
    options: dict[str, Any] = {"num_inference_steps": 3, "num_pairs": 2, "condition_noise": 0.05}
    whole = SRDSInferer(SCHEDULER, **options)(condition, model)
    parts = SRDSInferer(SCHEDULER, batch_size=batch_size, **options)(condition, model)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-5)
    alone = SRDSInferer(SCHEDULER, **options)(condition[3:4], model, places=[3])
    torch.testing.assert_close(alone, whole[3:4], rtol=0, atol=1e-5)


def test_place_seed_and_pair_decide_the_noise() -> None:
    inferer, other = SRDSInferer(SCHEDULER, seed=1), SRDSInferer(SCHEDULER, seed=2)
    first = inferer.draw("state", (2, 1, 4, 4), [7, 8], 0)
    assert torch.equal(inferer.draw("state", (1, 1, 4, 4), [8], 0), first[1:])
    different = [
        first[0],
        first[1],
        inferer.draw("state", (1, 1, 4, 4), [7], 1)[0],
        inferer.draw("condition", (1, 1, 4, 4), [7], 0)[0],
        other.draw("state", (1, 1, 4, 4), [7], 0)[0],
    ]
    assert len({tuple(one.flatten().tolist()) for one in different}) == 5


def test_plus_and_minus_share_the_condition_with_its_noise_and_pairs_do_not() -> None:
    condition, model = torch.rand(2, 1, 8, 8), Gaussian(encode=torch.zeros_like)
    SRDSInferer(SCHEDULER, 3, 2, condition_noise=0.1)(condition, model)
    assert [len(x) for x in model.seen] == [4] * 6
    shown = [x[:, 1:] for x in model.seen]
    for part in shown:
        assert torch.equal(part[:2], part[2:])
    assert torch.equal(shown[0], shown[2])
    assert not torch.equal(shown[0], shown[3])
    noise = DiffusionState().scale * shown[0][:2] + 0.5 - condition
    assert float(noise.std()) == pytest.approx(0.1, rel=0.25)
    # opposite states at the start, where the residual state's center is 0
    torch.testing.assert_close(model.seen[0][:2, :1], -model.seen[0][2:, :1])


def test_condition_noise_by_channel() -> None:
    model = network(condition_channels=2)
    condition = torch.rand(1, 2, 8, 8)
    seen: list[torch.Tensor] = []
    model.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    SRDSInferer(SCHEDULER, 1, condition_noise=[0.1, 0.0])(condition[:, :1], model, condition=condition)
    # in units of the state, and the second by what it differs from the first
    first = DiffusionState().scale * seen[0][:1, 1:2] + 0.5
    assert float((first - condition[:, :1]).std()) == pytest.approx(0.1, rel=0.3)
    second = DiffusionState().scale * seen[0][:1, 2:3] + first
    torch.testing.assert_close(second, condition[:, 1:])


@pytest.mark.parametrize(("start", "center"), [("noise", 0.0), ("condition", 0.6), ("noisy", -0.8)])
def test_starts(start: Any, center: float) -> None:
    condition, noisy, model = torch.full((1, 1, 4, 4), 0.8), torch.full((1, 1, 4, 4), 0.1), Gaussian()
    SRDSInferer(SCHEDULER, 3, state=IMAGE, start=start, start_timestep=299)(noisy, model, condition=condition)
    assert model.times == [299, 199, 99]
    first = model.seen[0][:, :1]
    share = float(SCHEDULER.alphas_cumprod[299].sqrt())
    torch.testing.assert_close(first.mean(0), torch.full((1, 4, 4), share * center))


def test_a_network_is_asked_at_the_times_that_it_knows() -> None:
    model = Gaussian(encode=torch.zeros_like)
    SRDSInferer(SCHEDULER, 2, earliest_timestep=500)(torch.rand(1, 1, 4, 4), model)
    assert model.times == [999, 749]


def test_tiles_agree_with_the_whole() -> None:
    condition = torch.rand(2, 1, 70, 40)
    model = Gaussian(0.2, encode=torch.square)
    whole, tiled = (SRDSInferer(SCHEDULER, 4, 2, tile=tile, condition_noise=0.1) for tile in (512, 32))
    expected = whole(condition, model, return_stats=True)
    model.seen.clear()
    torch.testing.assert_close(tiled(condition, model, return_stats=True), expected, rtol=0, atol=1e-5)
    assert {tuple(x.shape[2:]) for x in model.seen} == {(32, 32)}


def test_volumes_are_sampled_and_tiled_too() -> None:
    condition = torch.rand(1, 1, 20, 18, 17)
    torch.manual_seed(0)
    model = ConditionalDiffusion(3, channels=(8, 8), norm_num_groups=4)
    mean = SRDSInferer(SCHEDULER, 2, tile=16)(condition, model)
    torch.testing.assert_close(mean, condition, rtol=0, atol=1e-6)


def test_the_network_is_asked_in_evaluation_mode_and_left_as_it_was() -> None:
    model = Gaussian(encode=torch.zeros_like).train()
    SRDSInferer(SCHEDULER, 2)(torch.rand(1, 1, 4, 4), model)
    assert model.modes == [False, False]
    assert model.training


def test_metadata_comes_along() -> None:
    affine = torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0]))
    image = MetaTensor(torch.rand(1, 1, 8, 8), affine=affine)
    mean = SRDSInferer(SCHEDULER, 2)(image, network())
    assert isinstance(mean, MetaTensor)
    assert torch.equal(torch.as_tensor(mean.affine), affine.double())


def test_the_scheduler_is_copied_before_anyone_changes_it() -> None:
    scheduler = DDIMScheduler(1000, prediction_type="v_prediction")
    inferer = SRDSInferer(scheduler, 2)
    scheduler.add_noise(torch.zeros(1, 1, dtype=torch.float16), torch.zeros(1, 1), torch.zeros(1, dtype=torch.long))
    assert scheduler.alphas_cumprod.dtype == torch.float16
    assert inferer.alphas_cumprod.dtype == torch.float64
    assert inferer.prediction_type == "v_prediction"


@pytest.mark.parametrize(
    "wrong",
    [{"num_pairs": 0}, {"batch_size": 0}, {"tile": 8}, {"overlap": 1.0}, {"start": "bsn"}, {"num_inference_steps": 0}],
    ids=str,
)
def test_wrong_arguments_are_named(wrong: dict) -> None:
    with pytest.raises(InputError, match="expected"):
        SRDSInferer(SCHEDULER, **wrong)


def test_what_does_not_fit_is_named() -> None:
    image, model = torch.rand(2, 1, 8, 8), network()
    with pytest.raises(InputError, match="no condition"):
        SRDSInferer(SCHEDULER, start="noisy")(image, model)
    with pytest.raises(InputError, match="same size"):
        SRDSInferer(SCHEDULER)(image, model, condition=image[..., :4])
    with pytest.raises(InputError, match="1 places"):
        SRDSInferer(SCHEDULER)(image, model, places=[0])
    with pytest.raises(InputError, match="one number or one for each"):
        SRDSInferer(SCHEDULER, condition_noise=[0.1, 0.1])(image, model)
    with pytest.raises(InputError, match="at least 0"):
        SRDSInferer(SCHEDULER, condition_noise=-0.1)(image, model)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The regression that stands in for symmetric sampling."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from monai.networks.schedulers import DDPMScheduler
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import (
    ConditionalMeanInferer,
    ConditionalMeanPairInferer,
    DiffusionPairInferer,
    DiffusionState,
    SRDSInferer,
    SRDSVolumeInferer,
)
from monai_diffdenoise.losses import DiffusionPairLoss
from monai_diffdenoise.networks import ConditionalDiffusion
from monai_diffdenoise.transforms import AffineScaling, ConditionedPair

STATE = DiffusionState(True, 0.2)


def network() -> ConditionalDiffusion:
    torch.manual_seed(0)
    made = ConditionalDiffusion(condition_channels=2, channels=(8, 8), norm_num_groups=4)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.2)
    return made


class Blind(nn.Module):
    """A network that looks at the condition alone."""

    def __init__(self) -> None:
        super().__init__()
        self.body = network()

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor | None = None) -> torch.Tensor:
        return self.body(torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:]], dim=1), timesteps)


def test_it_is_symmetric_sampling_in_one_step_where_the_state_is_not_looked_at() -> None:
    model, shown = Blind(), torch.rand(3, 2, 12, 11)
    sampler = SRDSInferer(DDPMScheduler(1000, prediction_type="v_prediction"), 1, state=STATE)
    expected = sampler(shown[:, 1:], model, condition=shown)
    found = ConditionalMeanInferer(STATE, batch_size=2)(shown[:, 1:], model, condition=shown)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert (found - shown[:, :1]).abs().mean() > 0.02


def test_its_training_finds_the_mean_of_the_target() -> None:
    """A linear network of the condition: target = condition + 0.5 (shown - condition), and noise."""

    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Conv2d(3, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.mix(x)

    torch.manual_seed(0)
    model, inferer, loss = Linear(), ConditionalMeanPairInferer(STATE), DiffusionPairLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(400):
        image = 0.5 + 0.2 * torch.randn(4, 2, 16, 16)
        mean = 0.5 * image.sum(1, keepdim=True)
        pair = {"image": image, "target": mean + 0.1 * torch.randn_like(mean), "weight": torch.ones_like(mean)}
        optimizer.zero_grad()
        loss(inferer(image, model, pair=pair), pair).backward()
        optimizer.step()
    image = 0.5 + 0.2 * torch.randn(2, 2, 16, 16)
    mean = ConditionalMeanInferer(STATE)
    found, spread = mean(image[:, 1:], model, condition=image, return_stats=True)
    assert (found - 0.5 * image.sum(1, keepdim=True)).abs().mean() < 0.01
    assert not spread.any()


def test_tiles_and_metadata_and_training_mode() -> None:
    model = network()
    shown = torch.rand(1, 2, 40, 24)
    whole = ConditionalMeanInferer(STATE)(shown, model)
    tiled = ConditionalMeanInferer(STATE, tile=24, overlap=0.5)(MetaTensor(shown, meta={"a": 1}), model)
    assert model.training and isinstance(tiled, MetaTensor) and tiled.meta["a"] == 1
    assert tiled.shape == whole.shape == (1, 1, 40, 24)
    assert 0 < (tiled - whole).abs().mean() < 0.2 * (whole - shown[:, :1]).abs().mean()


def test_it_runs_over_volumes() -> None:
    model, noisy, known = network(), torch.rand(1, 9, 8, 3), torch.rand(1, 9, 8, 3)
    inferer = ConditionalMeanInferer(STATE)
    pairing = ConditionedPair(show_noisy=True)
    mean, spread = SRDSVolumeInferer(inferer, pairing).denoise(noisy, known, model, [AffineScaling(0.0, 1.0)])
    shown = torch.cat([part.movedim(-1, 0) for part in (known, noisy)], dim=1)
    torch.testing.assert_close(mean.movedim(-1, 0), inferer(shown[:, 1:], model, condition=shown))
    assert not spread.any()


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"tile": 8}, {"overlap": 1.0}])
def test_arguments_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected at least 1"):
        ConditionalMeanInferer(**wrong)  # type: ignore[arg-type]


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="expected the same size"):
        ConditionalMeanInferer()(torch.zeros(1, 1, 8, 8), network(), condition=torch.zeros(2, 2, 8, 8))


def test_training_a_diffusion_at_its_last_time_is_this_regression() -> None:
    """Their losses differ by what no network can know, if the network does not look at the state's noise."""
    generator = torch.Generator().manual_seed(0)
    model = Blind()
    made = {
        name: torch.rand(8, channels, 16, 16, generator=generator) for name, channels in (("image", 2), ("target", 1))
    }
    pair = {**made, "weight": torch.ones(8, 1, 16, 16)}
    scheduler, loss = DDPMScheduler(1000, prediction_type="v_prediction"), DiffusionPairLoss()
    last = loss(DiffusionPairInferer(scheduler, STATE, times=(0.999, 1.0))(pair["image"], model, pair=pair), pair)
    mean = loss(ConditionalMeanPairInferer(STATE)(pair["image"], model, pair=pair), pair)
    assert last.item() == pytest.approx(mean.item(), rel=2e-3)
    weight = list(model.parameters())[-2]
    first, second = (torch.autograd.grad(one, weight)[0] for one in (last, mean))
    torch.testing.assert_close(first, second, rtol=0.02, atol=0.01 * float(second.abs().max()))

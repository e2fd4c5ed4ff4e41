# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Sampling volumes: the slices one by one would give the same, in any units."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from monai.networks.schedulers import DDPMScheduler
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import SRDSInferer, SRDSVolumeInferer
from monai_diffdenoise.networks import ConditionalDiffusion
from monai_diffdenoise.transforms import AffineScaling, ConditionedPair

SCHEDULER = DDPMScheduler(1000, prediction_type="v_prediction")
UNIT = AffineScaling(0.0, 1.0)


def network(condition_channels: int = 1, random: bool = True) -> nn.Module:
    torch.manual_seed(0)
    made = ConditionalDiffusion(condition_channels=condition_channels, channels=(8, 8), norm_num_groups=4)
    for parameter in made.parameters() if random else []:
        nn.init.normal_(parameter, std=0.2)
    return made


def volumes(channels: int = 1, depth: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (channels, 9, 8, depth)
    return torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)


@pytest.mark.parametrize("show_noisy", [False, True])
@pytest.mark.parametrize("axis", [0, 2])
def test_it_is_the_slices_by_their_numbers(show_noisy: bool, axis: int) -> None:
    noisy, condition = volumes(2)
    model, pairing = network(1 + show_noisy), ConditionedPair(axis=axis, show_noisy=show_noisy)
    sampler = SRDSInferer(SCHEDULER, 2, 2, condition_noise=0.1, batch_size=3)
    mean, spread = SRDSVolumeInferer(sampler, pairing).denoise(noisy, condition, model, [UNIT, UNIT])
    depth = noisy.shape[axis + 1]
    for channel in range(2):
        for place in range(depth):
            parts = [part[channel].select(axis, place)[None, None] for part in (condition, noisy)]
            shown = torch.cat(parts if show_noisy else parts[:1], dim=1)
            expected = sampler(parts[1], model, condition=shown, places=[channel * depth + place], return_stats=True)
            found = [part[channel].select(axis, place)[None, None] for part in (mean, spread)]
            torch.testing.assert_close(found, list(expected), rtol=0, atol=1e-5)


def test_units_go_through() -> None:
    noisy, condition = volumes()
    model, inferer = network(), SRDSVolumeInferer(SRDSInferer(SCHEDULER, 2))
    plain = inferer(noisy[None], model, condition=condition[None], scalings=[UNIT], return_stats=True)
    other = inferer(
        noisy[None] * 300 - 50,
        model,
        condition=condition[None] * 300 - 50,
        scalings=[AffineScaling(-50.0, 300.0)],
        return_stats=True,
    )
    torch.testing.assert_close((other[0] + 50) / 300, plain[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(other[1] / 300, plain[1], rtol=0, atol=1e-4)


def test_an_untrained_model_returns_the_condition() -> None:
    noisy, condition = volumes()
    result = SRDSVolumeInferer(SRDSInferer(SCHEDULER, 3))(
        1e4 * noisy[None], network(random=False), condition=1e4 * condition[None]
    )
    torch.testing.assert_close(result, 1e4 * condition[None], rtol=0, atol=0.01)


def test_the_result_may_take_the_place_of_the_condition_and_progress_is_told() -> None:
    noisy, condition = volumes(2)
    told: list[tuple[int, int]] = []
    inferer = SRDSVolumeInferer(SRDSInferer(SCHEDULER, 2, batch_size=2), progress=lambda *args: told.append(args))
    expected, _ = inferer.denoise(noisy, condition, network(), [UNIT, UNIT])
    assert told == [(2, 10), (4, 10), (5, 10), (7, 10), (9, 10), (10, 10)]
    found, _ = inferer.denoise(noisy, condition, network(), [UNIT, UNIT], out=condition)
    assert found is condition
    assert torch.equal(found, expected)


def test_metadata_comes_along() -> None:
    noisy, condition = volumes()
    affine = torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0]))
    result = SRDSVolumeInferer(SRDSInferer(SCHEDULER, 2))(
        MetaTensor(noisy[None], affine=affine), network(), condition=condition[None]
    )
    assert torch.equal(torch.as_tensor(result.affine), affine.double())


def test_what_does_not_fit_is_named() -> None:
    noisy, condition = volumes()
    inferer = SRDSVolumeInferer(SRDSInferer(SCHEDULER, 2))
    with pytest.raises(InputError, match="shape none"):
        inferer(noisy[None], network())
    with pytest.raises(InputError, match="expected that of the volumes"):
        inferer(noisy[None], network(), condition=condition[None, ..., :2])
    with pytest.raises(InputError, match="2 scalings"):
        inferer.denoise(noisy, condition, network(), [UNIT, UNIT])

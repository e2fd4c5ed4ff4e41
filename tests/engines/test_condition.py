# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Volumes with their condition, ready to be paired."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from monai_diffdenoise.engines import condition_volumes
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import VolumeSliceInferer
from monai_diffdenoise.transforms import AffineScaling, BlindSpotPair, ConditionedPair, RandConditionedPaird


class Halves:
    """Gaussian recorruption with tau = 1 and sigma = 1."""

    def split(self, noisy: torch.Tensor, random: np.random.RandomState) -> tuple[torch.Tensor, torch.Tensor]:
        z = torch.from_numpy(random.standard_normal(tuple(noisy.shape))).to(noisy)
        return noisy + z, noisy - z


class Square(nn.Module):
    """f(y) = y^2 of the first channel."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, :1] ** 2


def volume(channels: int = 1) -> torch.Tensor:
    return torch.rand(channels, 8, 6, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_condition_is_what_the_network_makes_of_each_slice(context: int, channels: int) -> None:
    image = volume(channels)
    (made,) = condition_volumes(
        [{"image": image, "weight": 3}], Square(), VolumeSliceInferer(BlindSpotPair(context=context))
    )
    torch.testing.assert_close(made["condition"], image**2)
    assert made["image"] is image
    assert made["weight"] == 3
    assert "targets" not in made


def test_the_scaling_of_the_volume_is_used() -> None:
    (made,) = condition_volumes(
        [{"image": 100 * volume(), "scaling": AffineScaling(0.0, 100.0)}], Square(), VolumeSliceInferer(BlindSpotPair())
    )
    torch.testing.assert_close(made["condition"], 100 * volume() ** 2)


def test_recorrupted_volumes_are_split_before_they_are_denoised() -> None:
    image = volume()
    volumes = [{"image": image}, {"image": image}]
    made = condition_volumes(volumes, Square(), VolumeSliceInferer(BlindSpotPair()), Halves(), draws=2)
    assert len(made) == 4
    for one in made:
        torch.testing.assert_close(one["image"] + one["targets"], 2 * image)
        torch.testing.assert_close(one["condition"], one["image"] ** 2)
    assert len({float(one["image"][0, 0, 0, 0]) for one in made}) == 4
    again = condition_volumes(volumes, Square(), VolumeSliceInferer(BlindSpotPair()), Halves(), draws=2)
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(made, again, strict=True))
    other = condition_volumes(volumes, Square(), VolumeSliceInferer(BlindSpotPair()), Halves(), draws=2, seed=1)
    assert not torch.equal(made[0]["image"], other[0]["image"])
    assert torch.equal(volumes[0]["image"], image)


def test_pairs_can_be_drawn_from_them() -> None:
    made = condition_volumes([{"image": volume()}], Square(), VolumeSliceInferer(BlindSpotPair()), Halves())
    draw = RandConditionedPaird(ConditionedPair("recorrupted", show_noisy=True), patch_size=4)
    pair = draw.set_random_state(seed=0)(made[0])
    torch.testing.assert_close(pair["image"][0], pair["image"][1] ** 2)


@pytest.mark.parametrize(("draws", "recorruption"), [(0, Halves()), (2, None)])
def test_draws_that_make_no_sense_are_named(draws: int, recorruption: Halves | None) -> None:
    with pytest.raises(InputError, match="draws"):
        condition_volumes([], Square(), VolumeSliceInferer(), recorruption, draws)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Random-replacing refinement against its definition."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import PixelShuffled, RandomReplacing
from tests.inferers.networks import BlindNetwork, noise


def test_it_is_the_mean_over_masks_of_the_network_on_a_mixture() -> None:
    image, network = noise(2, 3, 7, 9).double(), BlindNetwork(context=2)
    estimate = PixelShuffled(network, 2)
    first, expected = estimate(image), torch.zeros(2, 1, 7, 9).double()
    generator = torch.Generator().manual_seed(5)
    for _ in range(4):
        mask = torch.rand((1, 7, 9), generator=generator) < 0.3
        mixed = torch.where(mask, image[:, :1], first)
        expected += network(torch.cat([mixed, image[:, 1:]], 1)) / 4
    result = RandomReplacing(network, estimate, repeats=4, probability=0.3, seed=5)(image)
    torch.testing.assert_close(result, expected)


@settings(deadline=None, max_examples=30)
@given(
    rows=st.integers(1, 14),
    columns=st.integers(1, 14),
    stride=st.integers(1, 5),
    repeats=st.integers(1, 9),
    batch=st.integers(1, 3),
    at_once=st.integers(1, 20),
)
def test_sizes_and_passes_do_not_matter(
    rows: int, columns: int, stride: int, repeats: int, batch: int, at_once: int
) -> None:
    network = BlindNetwork()
    image = noise(batch, 1, rows, columns).double()
    run = RandomReplacing(network, PixelShuffled(network, stride), repeats, batch_size=at_once)
    result = run(image)
    assert result.shape == image.shape
    one_by_one = RandomReplacing(network, PixelShuffled(network, stride), repeats, batch_size=1)
    torch.testing.assert_close(torch.cat([one_by_one(one[None]) for one in image]), result)


def test_no_pass_is_larger_than_asked_for() -> None:
    sizes = []

    def network(image: torch.Tensor) -> torch.Tensor:
        sizes.append(len(image))
        return image

    RandomReplacing(network, nn.Identity(), repeats=8, batch_size=7)(noise(2, 1, 5, 5))
    assert sizes == [6, 6, 4]


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_nothing_or_everything_is_replaced(probability: float) -> None:
    image, network = noise(1, 1, 8, 8).double(), BlindNetwork()
    result = RandomReplacing(network, repeats=3, probability=probability)(image)
    torch.testing.assert_close(result, network(image if probability else network(image)))


def test_the_share_of_replaced_pixels_is_the_probability() -> None:
    image = torch.ones(1, 1, 100, 100)
    run = RandomReplacing(nn.Identity(), torch.zeros_like, repeats=50, probability=0.16)
    result = run(image)
    assert float(result.mean()) == pytest.approx(0.16, abs=0.005)
    assert 0.04 < float(result.std()) < 0.065


def test_the_seed_alone_decides() -> None:
    image, network = noise(1, 1, 16, 16).double(), BlindNetwork()
    run = RandomReplacing(network, repeats=2, seed=3)
    first = run(image)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert torch.equal(run(image), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(RandomReplacing(network, repeats=2, seed=4)(image), first)


@pytest.mark.parametrize("bad", [{"repeats": 0}, {"probability": 1.1}, {"probability": -0.1}, {"channels": 0}])
def test_numbers_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        RandomReplacing(nn.Identity(), **bad)


def test_an_estimate_of_other_channels_is_refused() -> None:
    with pytest.raises(InputError, match="expected equal ones"):
        RandomReplacing(nn.Identity())(noise(1, 3, 5, 5))

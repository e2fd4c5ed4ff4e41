# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A network on phases: exact crop, the comb that it sees, one stride to train and one to test."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import PixelShuffled
from tests.inferers.networks import BlindNetwork, noise
from tests.networks.blindness import seen


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(1, 17), columns=st.integers(1, 17), stride=st.integers(1, 5), batch=st.integers(1, 3))
def test_any_size_comes_back(rows: int, columns: int, stride: int, batch: int) -> None:
    image = noise(batch, 2, rows, columns)
    assert torch.equal(PixelShuffled(nn.Identity(), stride)(image), image)


def test_each_phase_is_seen_by_itself() -> None:
    image, network = noise(2, 1, 11, 14).double(), BlindNetwork()
    result = PixelShuffled(network, (2, 3))(image)
    padded = nn.functional.pad(image, (0, 1, 0, 1))
    for row in range(2):
        for column in range(3):
            expected = network(padded[:, :, row::2, column::3])
            part = result[:, :, row::2, column::3]
            torch.testing.assert_close(part, expected[:, :, : part.shape[2], : part.shape[3]])


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_only_the_comb_is_seen_and_not_its_middle(spatial_dims: int, stride: int) -> None:
    run = PixelShuffled(BlindNetwork(spatial_dims, spot=3), stride).eval()
    size = (13, 11, 12)[:spatial_dims]
    for pixel in [(6, 5, 7)[:spatial_dims], (0,) * spatial_dims, tuple(side - 1 for side in size)]:
        for place in seen(run, noise(1, 1, *size).double(), pixel)[0].nonzero().tolist():
            offset = tuple(a - b for a, b in zip(place, pixel, strict=True))
            assert all(step % stride == 0 for step in offset)
            assert offset not in run.blind
    assert len(run.blind) == 3**spatial_dims
    assert max(max(offset) for offset in run.blind) == stride


def test_context_is_shuffled_with_the_image() -> None:
    run = PixelShuffled(BlindNetwork(context=2), 2).eval()
    gradient = seen(run, noise(1, 3, 9, 9).double(), (4, 4))
    assert float(gradient[0, 4, 4]) == 0
    assert float(gradient[1:, 4, 4].min()) > 0
    assert float(gradient[:, 3, 4].max()) == 0


def test_training_has_a_stride_of_its_own() -> None:
    image, network = noise(1, 1, 13, 13).double(), BlindNetwork()
    run = PixelShuffled(network, 1, training_stride=3)
    run.train()
    assert torch.equal(run(image), PixelShuffled(network, 3)(image))
    assert (0, 3) not in run.blind
    run.eval()
    assert torch.equal(run(image), network(image))


@pytest.mark.parametrize("mode", [True, False])
def test_it_comes_in_the_mode_of_its_network(mode: bool) -> None:
    assert PixelShuffled(BlindNetwork().train(mode), 2).training == mode


def test_weights_can_be_copied_and_loaded() -> None:
    run = PixelShuffled(BlindNetwork(), 2)
    other = copy.deepcopy(run)
    other.network.tail.weight.zero_()
    other.load_state_dict(run.state_dict())
    image = noise(1, 1, 7, 8).double()
    assert torch.equal(other(image), run(image))


@pytest.mark.parametrize("strides", [(0, None), (2, 0), ((2, 0), None)])
def test_strides_are_counted_from_one(strides: tuple[int, int | None]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        PixelShuffled(nn.Identity(), *strides)


def test_a_network_without_a_spot_tells_none() -> None:
    assert getattr(PixelShuffled(nn.Identity()), "blind", None) is None

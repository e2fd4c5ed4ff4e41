# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""All parts of blind-spot inference together: their order, their blindness, and the volumes around them."""

from __future__ import annotations

import itertools

import pytest
import torch
from monai.inferers import SlidingWindowInferer
from torch import nn

from monai_diffdenoise.inferers import (
    BlindSpotInferer,
    FlipRotateMean,
    PixelShuffled,
    RandomReplacing,
    VolumeInferer,
    VolumeSliceInferer,
)
from monai_diffdenoise.transforms import AffineScaling, BlindSpotPair
from tests.inferers.networks import BlindNetwork, noise
from tests.networks.blindness import seen, seen_in_spot


def test_the_order_is_shuffle_refinement_augmentation() -> None:
    image, network = noise(1, 3, 11, 14).double(), BlindNetwork(context=2)
    expected = FlipRotateMean(RandomReplacing(PixelShuffled(network, 2), PixelShuffled(network, 3), 3, 0.2, seed=4))
    run = BlindSpotInferer(stride=3, repeats=3, probability=0.2, refine_stride=2, augment=True, seed=4)
    assert torch.equal(run(image, network), expected(image))
    assert torch.equal(run.wrap(network)(image), expected(image))


def test_plain_is_the_network() -> None:
    image, network = noise(2, 1, 9, 9).double(), BlindNetwork()
    assert torch.equal(BlindSpotInferer()(image, network, "an engine's argument", key=1), network(image))


@pytest.mark.parametrize(("stride", "used"), [(None, 2), (1, 1), (3, 3)])
def test_a_network_that_comes_shuffled_is_shuffled_once(stride: int | None, used: int) -> None:
    image, network = noise(1, 1, 13, 13).double(), BlindNetwork()
    trained = PixelShuffled(network, 2, training_stride=5).train()
    assert torch.equal(BlindSpotInferer(stride)(image, trained), PixelShuffled(network, used)(image))


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize(("stride", "augment", "tile"), list(itertools.product((1, 2), (False, True), (None, 7))))
def test_everything_but_refinement_is_blind(spatial_dims: int, stride: int, augment: bool, tile: int | None) -> None:
    network = BlindNetwork(spatial_dims, context=2)
    run = BlindSpotInferer(stride, augment=augment, tile=tile, halo=2).wrap(network)
    size = (9, 10, 8)[:spatial_dims]
    pixels = [(4, 5, 3)[:spatial_dims], (0,) * spatial_dims, (8, 9, 7)[:spatial_dims]]
    image = noise(1, 3, *size).double()
    inside, outside = seen_in_spot(run, image, pixels, [(0,) * spatial_dims])
    assert inside == 0
    assert outside > 1e-3
    assert float(seen(run, image, pixels[0])[(slice(1, 3), *pixels[0])].min()) > 0


def test_refinement_is_not_blind_and_says_so() -> None:
    network = BlindNetwork()
    run = BlindSpotInferer(repeats=4).wrap(network)
    assert float(seen(run, noise(1, 1, 9, 9).double(), (4, 4))[0, 4, 4]) > 0
    assert not hasattr(run, "blind")


def test_a_wide_spot_is_not_turned_behind_the_refinement_either() -> None:
    image, wide = noise(1, 1, 8, 8).double(), BlindNetwork(spot=(1, 3))
    run = BlindSpotInferer(repeats=2, augment=True)
    flips_only = BlindSpotInferer(repeats=2, augment=True, rotate=False)
    assert torch.equal(run(image, wide), flips_only(image, wide))
    assert not torch.equal(run(image, wide), BlindSpotInferer(repeats=2, augment=True, rotate=True)(image, wide))


@pytest.mark.parametrize("repeats", [0, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_tiles_change_nothing(stride: int, repeats: int) -> None:
    image, network = noise(1, 1, 45, 31).double(), BlindNetwork()
    how = {"stride": stride, "repeats": repeats, "augment": True}
    tiled = BlindSpotInferer(tile=12, halo=2, **how)(image, network)
    torch.testing.assert_close(tiled, BlindSpotInferer(**how)(image, network), rtol=0, atol=1e-12)


class Single(nn.Module):
    """The random network in float32."""

    def __init__(self, spatial_dims: int = 2, context: int = 0) -> None:
        super().__init__()
        self.network = BlindNetwork(spatial_dims, context).float()
        self.blind = self.network.blind

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image)


@pytest.mark.parametrize("tile", [16, 512])
@pytest.mark.parametrize("mode", [True, False])
def test_slices_of_a_volume_with_context(tile: int, mode: bool) -> None:
    volume, network = noise(1, 19, 21, 6), Single(context=2).train(mode)
    pairing, scaling = BlindSpotPair(2, context=2), AffineScaling(0.0, 1.0)
    run = BlindSpotInferer(stride=2, repeats=2, augment=True, tile=tile if tile == 16 else None, halo=2).wrap(network)
    result = VolumeSliceInferer(pairing, batch_size=4).denoise(volume, run, [scaling])
    for index in range(6):
        expected = run(pairing.inputs(volume, index, index + 1))[0, 0]
        torch.testing.assert_close(result[0, ..., index], expected, rtol=0, atol=1e-5)
    assert network.training == network.network.masked.training == mode


def test_exact_tiles_of_slices() -> None:
    volume, network = noise(1, 45, 63, 3), Single(context=2)
    pairing, scaling = BlindSpotPair(2, context=2), AffineScaling(0.0, 1.0)
    whole = VolumeSliceInferer(pairing).denoise(volume, network, [scaling])
    exact = VolumeSliceInferer(pairing, tile=20, halo=2).denoise(volume, network, [scaling])
    torch.testing.assert_close(exact, whole, rtol=0, atol=1e-6)


def test_a_volume_at_once_and_monais_sliding_window() -> None:
    volume, network = noise(1, 1, 14, 15, 13), Single(3)
    run = BlindSpotInferer(stride=1, augment=True).wrap(network)
    expected = run(volume)
    tiled = VolumeInferer(tile=10, halo=2)(volume, run, scalings=[AffineScaling(0.0, 1.0)])
    torch.testing.assert_close(tiled, expected, rtol=0, atol=1e-5)
    sliding = SlidingWindowInferer((14, 15, 13))(volume, run)
    torch.testing.assert_close(sliding, expected, rtol=0, atol=1e-5)

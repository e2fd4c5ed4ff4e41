# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tiles with surroundings give what the whole image gives; and how much surroundings a network needs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import ExactTiles, PixelShuffled, receptive_reach
from monai_diffdenoise.inferers.exact_tiles import tile_spans
from monai_diffdenoise.networks import ResidualDenoiser
from tests.inferers.networks import BlindNetwork, noise


class Deep(nn.Module):
    """A masked convolution, then dilated ones on phases: reach 2 + 4 x 2 x 3."""

    def __init__(self, context: int = 0) -> None:
        super().__init__()
        self.head = BlindNetwork(context=context)
        torch.manual_seed(1)
        self.body = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=4, dilation=4) for _ in range(6))).double()
        self.requires_grad_(False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.body(self.head(image))


@settings(deadline=None, max_examples=40)
@given(side=st.integers(1, 90), tile=st.integers(1, 60), halo=st.integers(0, 12), multiple=st.integers(1, 5))
def test_parts_cover_an_axis_once_with_their_surroundings(side: int, tile: int, halo: int, multiple: int) -> None:
    if side > tile and tile - 2 * halo < multiple:
        with pytest.raises(InputError, match="use larger tiles"):
            tile_spans(side, tile, halo, multiple)
        return
    spans = tile_spans(side, tile, halo, multiple)
    assert [k for _, wanted in spans for k in range(wanted.start, wanted.stop)] == list(range(side))
    for seen, wanted in spans:
        assert seen.start <= max(wanted.start - halo, 0)
        assert seen.stop >= min(wanted.stop + halo, side)
        assert seen.start % multiple == 0
        assert 0 <= seen.start < seen.stop <= side
        assert seen.stop - seen.start <= tile + multiple - 1


@settings(deadline=None, max_examples=15)
@given(
    rows=st.integers(1, 120),
    columns=st.integers(1, 120),
    tile=st.integers(54, 90),
    batch=st.integers(1, 5),
    context=st.sampled_from([0, 2]),
)
def test_tiles_give_what_the_whole_gives(rows: int, columns: int, tile: int, batch: int, context: int) -> None:
    network, image = Deep(context), noise(2, 1 + context, rows, columns).double()
    torch.testing.assert_close(
        ExactTiles(network, tile, halo=26, batch_size=batch)(image), network(image), rtol=0, atol=1e-12
    )


def test_too_little_halo_shows() -> None:
    image = noise(1, 1, 120, 30).double()
    network = Deep()
    assert float((ExactTiles(network, 90, halo=20)(image) - network(image)).abs().max()) > 1e-9


@pytest.mark.parametrize("size", [(61, 75), (64, 64), (100, 33)], ids=str)
def test_networks_with_a_period_need_tiles_that_start_at_multiples(size: tuple[int, int]) -> None:
    image = noise(1, 1, *size).double()
    network = PixelShuffled(BlindNetwork(), 3)
    exact = ExactTiles(network, 31, halo=6, multiple=3)(image)
    torch.testing.assert_close(exact, network(image), rtol=0, atol=1e-12)


def test_three_dimensions_and_float32() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 1, 3, padding=1))
    image = noise(1, 1, 30, 17, 23)
    with torch.no_grad():
        exact = ExactTiles(network, (16, 17, 12), halo=2, batch_size=4)(image)
        torch.testing.assert_close(exact, network(image), rtol=0, atol=1e-6)


def test_no_pass_is_larger_than_asked_for() -> None:
    sizes = []

    def network(image: torch.Tensor) -> torch.Tensor:
        sizes.append(tuple(image.shape))
        return image

    ExactTiles(network, 20, halo=4, batch_size=4)(noise(2, 1, 60, 60))
    assert max(shape[0] for shape in sizes) == 4
    assert max(max(shape[2:]) for shape in sizes) == 20


def test_a_small_image_is_run_as_it_is() -> None:
    image = noise(1, 1, 20, 20)
    assert ExactTiles(nn.Identity(), 20, halo=4)(image) is image


@pytest.mark.parametrize("bad", [{"tile": 20, "halo": 10}, {"halo": -1}, {"batch_size": 0}, {"tile": (64, 20)}])
def test_numbers_out_of_range_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(InputError, match="expected"):
        ExactTiles(nn.Identity(), **{"tile": 64, "halo": 12, **bad})


@pytest.mark.parametrize(("network", "reach"), [(BlindNetwork(), 2), (Deep(), 26), (nn.Identity(), 0)])
def test_reach_in_closed_form(network: nn.Module, reach: int) -> None:
    network = network.double()

    def run(image: torch.Tensor) -> torch.Tensor:
        return network(image.double())

    assert receptive_reach(run, limit=40) == reach


def test_reach_is_found_behind_weights_that_are_zero() -> None:
    network = nn.Conv3d(2, 1, 5, padding=2)
    nn.init.zeros_(network.weight)
    assert receptive_reach(network, 2, spatial_dims=3, limit=8) == 2
    assert network.training


def test_reach_of_a_network_with_pooling_makes_its_tiles_exact() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.MaxPool2d(4),
        nn.Conv2d(3, 3, 3, padding=1),
        nn.Upsample(scale_factor=4),
        nn.Conv2d(3, 1, 3, padding=1),
    ).requires_grad_(False)
    reach = receptive_reach(network, limit=32, multiple=4)
    image = noise(1, 1, 96, 64)
    tiled = ExactTiles(network, 2 * reach + 16, reach, multiple=4)(image)
    torch.testing.assert_close(tiled, network(image), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "network", [nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(1)), Deep()], ids=["global", "far"]
)
def test_networks_that_reach_farther_are_refused(network: nn.Module) -> None:
    with pytest.raises(InputError, match="farther than 20 pixels"):
        receptive_reach(lambda image: network.double()(image.double()).expand(-1, -1, 43, 43), limit=20)


def test_statistics_of_the_whole_image_are_found() -> None:
    # its norms are taken over the whole image
    with pytest.raises(InputError, match="farther than 64 pixels"):
        receptive_reach(ResidualDenoiser(channels=4, levels=2), limit=64, multiple=2)

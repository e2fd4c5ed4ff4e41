# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The mean over flips and rotations: symmetric, and as blind as the network."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import FlipRotateMean, PixelShuffled
from monai_diffdenoise.inferers.augmentation import keeps_turned
from monai_diffdenoise.networks import BlindStack
from tests.inferers.networks import BlindNetwork, noise
from tests.networks.blindness import seen, seen_in_spot


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (1, 5), (4, 5, 6)], ids=str)
def test_the_identity_stays_the_identity(size: tuple[int, ...]) -> None:
    image = noise(2, 3, *size)
    torch.testing.assert_close(FlipRotateMean(nn.Identity())(image), image)


def test_the_result_turns_with_the_image() -> None:
    run, image = FlipRotateMean(BlindNetwork()), noise(2, 1, 9, 12).double()
    result = run(image)
    for turns, flip in itertools.product(range(4), (False, True)):
        moved = image.rot90(turns, (2, 3)).flip([3] if flip else [])
        expected = result.rot90(turns, (2, 3)).flip([3] if flip else [])
        torch.testing.assert_close(run(moved), expected)
    assert not torch.allclose(result, BlindNetwork()(image))


@pytest.mark.parametrize(("size", "rotate", "count"), [((5, 6), None, 8), ((5, 6), False, 4), ((4, 5, 6), None, 8)])
def test_number_of_passes(size: tuple[int, ...], rotate: bool | None, count: int) -> None:
    shapes = []

    def network(image: torch.Tensor) -> torch.Tensor:
        shapes.append(image.shape[2:])
        return image

    FlipRotateMean(network, rotate)(noise(1, 1, *size))
    assert len(shapes) == count
    assert sum(shape != size for shape in shapes) == (4 if rotate is None and len(size) == 2 else 0)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("spatial_dims", "spot"), [(2, 1), (2, 3), (2, (3, 1)), (3, 1)], ids=str)
def test_blind_spots_stay_blind(spatial_dims: int, spot: int | tuple[int, ...], stride: int) -> None:
    run = FlipRotateMean(PixelShuffled(BlindNetwork(spatial_dims, spot=spot), stride))
    size = (9, 10, 8)[:spatial_dims]
    pixels = [(4, 5, 3)[:spatial_dims], (0,) * spatial_dims, (8, 9, 7)[:spatial_dims], (1, 8, 2)[:spatial_dims]]
    inside, outside = seen_in_spot(run, noise(1, 1, *size).double(), pixels, run.blind)
    assert inside == 0
    assert outside > 1e-3
    assert run.blind == run.network.blind


def test_a_spot_that_is_wider_along_one_axis_is_not_turned() -> None:
    image = noise(1, 1, 9, 9).double()
    wide = BlindNetwork(spot=(1, 3))
    assert torch.equal(FlipRotateMean(wide)(image), FlipRotateMean(wide, rotate=False)(image))
    turned = FlipRotateMean(wide, rotate=True)
    assert turned.blind == {(0, 0)}
    assert float(seen(turned, image, (4, 4))[0, 4, 5]) > 0


def test_context_turns_with_the_image() -> None:
    run = FlipRotateMean(BlindNetwork(context=2))
    image = noise(1, 3, 6, 9).double()
    torch.testing.assert_close(run(image.transpose(2, 3)), run(image).transpose(2, 3))
    gradient = seen(run, image, (3, 4))
    assert float(gradient[0, 3, 4]) == 0
    assert float(gradient[1:, 3, 4].min()) > 0


def test_volumes_are_not_rotated() -> None:
    with pytest.raises(InputError, match="expected 2"):
        FlipRotateMean(nn.Identity(), rotate=True)(noise(1, 1, 4, 4, 4))


@pytest.mark.parametrize("wrap", [FlipRotateMean, PixelShuffled])
def test_networks_that_leave_the_slice_out_are_blind_to_all_of_it(wrap: Any) -> None:
    network = BlindStack(channels=4, context_channels=2, levels=1, blind_spot=None)
    torch.nn.init.normal_(network.tail[-1].weight)
    wrapped = wrap(network).eval()
    assert wrapped.blind is None and keeps_turned(wrapped)
    image = torch.randn(1, 3, 8, 6)
    other = torch.cat([torch.randn(1, 1, 8, 6), image[:, 1:]], 1)
    assert torch.equal(wrapped(image), wrapped(other))
    assert not torch.equal(wrapped(image), wrapped(image.roll(1, 1)))

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks import MaskedConv, batch_to_space, is_blind, space_to_batch, spot_offsets
from tests.networks.blindness import randomize, seen, seen_in_spot


def test_offsets_of_a_spot() -> None:
    assert spot_offsets(1) == {(0, 0)}
    assert spot_offsets(3, "diamond") == {(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)}
    assert len(spot_offsets(9, "diamond")) == 41 and len(spot_offsets(9)) == 81
    assert spot_offsets((3, 1)) == {(-1, 0), (0, 0), (1, 0)}
    assert len(spot_offsets(3, "square", 3)) == 27
    # 1/3 + 2/3 of radii 3 and 6 lies on the rim
    assert (1, 4) in spot_offsets((7, 13), "diamond") and (1, 5) not in spot_offsets((7, 13), "diamond")


@pytest.mark.parametrize("spatial_dims, size", [(2, (9, 7)), (3, (6, 7, 5))])
@pytest.mark.parametrize("spot, shape, step, kernel", [(1, "square", 1, 3), (3, "diamond", 1, 5), (1, "square", 2, 5)])
def test_the_kernel_sees_its_taps_and_nothing_else(spatial_dims, size, spot, shape, step, kernel) -> None:
    conv = randomize(MaskedConv(spatial_dims, 2, 3, kernel, spot, shape, step))
    image = torch.randn(1, 2, *size, dtype=torch.float64)
    middle = tuple(side // 2 for side in size)
    gradient = seen(conv, image, middle)
    found = {tuple(int(a - m) for a, m in zip(place[1:], middle, strict=True)) for place in gradient.nonzero()}
    assert found == conv.taps and conv.taps.isdisjoint(spot_offsets(spot, shape, spatial_dims))


def test_training_does_not_open_the_spot() -> None:
    conv = MaskedConv(2, 1, 1, 3)
    optimizer = torch.optim.AdamW(conv.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        conv(torch.randn(1, 1, 8, 8)).square().mean().backward()
        optimizer.step()
    inside, outside = seen_in_spot(conv, torch.randn(1, 1, 8, 8), [(4, 4), (0, 0)], [(0, 0)])
    assert inside == 0 and outside > 0


def test_the_mask_is_not_saved_with_the_weights() -> None:
    assert set(MaskedConv(2, 1, 1).state_dict()) == {"weight", "bias"}


@pytest.mark.parametrize(
    "kernel, spot, shape, step, period, blind",
    [
        (3, 1, "square", 1, 2, True),
        (3, 1, "square", 1, 1, False),
        (9, 9, "diamond", 1, 8, True),
        (9, 9, "diamond", 1, 7, False),
        (21, 9, "diamond", 2, 15, True),
        (13, 9, "square", 1, 13, True),
        (7, 5, "square", 1, 6, True),
        (7, 5, "square", 1, 5, False),
    ],
)
def test_the_period_tells_whether_the_spot_stays_blind(kernel, spot, shape, step, period, blind) -> None:
    conv = MaskedConv(2, 1, 2, kernel, spot, shape, step)
    assert conv.is_blind(period) is blind is is_blind(conv.taps, conv.blind, (period, period))
    mix = nn.Conv2d(2, 1, 3, padding=1)
    size = 4 * period
    randomize(nn.ModuleList([conv, mix]))

    def run(image: torch.Tensor) -> torch.Tensor:
        return batch_to_space(mix(mix_twice(space_to_batch(conv(image), period))), period)

    def mix_twice(phases: torch.Tensor) -> torch.Tensor:
        return phases + mix(phases)

    image = torch.randn(1, 1, size, size, dtype=torch.float64)
    inside, outside = seen_in_spot(run, image, [(size // 2, size // 2 + 1), (1, size - 1)], conv.blind)
    assert (inside == 0) is blind and outside > 0


@pytest.mark.parametrize(
    "arguments",
    [{"kernel_size": 4}, {"spot": 2}, {"spot": 3}, {"step": 0}, {"shape": "circle"}, {"kernel_size": (3, 3, 3)}],
)
def test_wrong_arguments_are_named(arguments: dict) -> None:
    with pytest.raises(InputError, match="expected"):
        MaskedConv(2, 1, 1, **arguments)

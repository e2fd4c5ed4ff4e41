# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms import BlindSpotPair, RandPaird


def volume(depth: int) -> torch.Tensor:
    """(1, 4, 5, depth), every voxel holding the number of its slice."""
    return torch.arange(float(depth)).expand(1, 4, 5, depth).clone()


def shown(pair: BlindSpotPair, depth: int, index: int) -> list[int]:
    return [int(channel.unique()) for channel in pair(volume(depth), index)["image"]]


@pytest.mark.parametrize(
    "context, distance, index, expected",
    [
        (0, 1, 3, [3]),
        (2, 1, 3, [3, 2, 4]),
        (4, 1, 3, [3, 1, 2, 4, 5]),
        (4, 2, 4, [4, 0, 2, 6, 8]),
        (2, 1, 0, [0, 1, 1]),
        (4, 1, 0, [0, 2, 1, 1, 2]),
        (4, 1, 8, [8, 6, 7, 7, 6]),
    ],
)
def test_the_slice_comes_first_and_its_context_after(context, distance, index, expected) -> None:
    pair = BlindSpotPair(axis=2, distance=distance, context=context)
    assert shown(pair, 9, index) == expected
    assert pair.in_channels == len(expected) and pair.base_channels == (0,)
    made = pair(volume(9), index)
    assert torch.equal(made["target"], volume(9)[..., index]) and torch.equal(made["weight"], torch.ones(1, 4, 5))
    assert torch.equal(pair.inputs(volume(9), index, index + 1)[0], made["image"])


@pytest.mark.parametrize("depth, context, count", [(1, 0, 1), (1, 2, 0), (2, 4, 0), (3, 2, 3), (3, 4, 3)])
def test_how_many_pairs_a_stack_offers(depth: int, context: int, count: int) -> None:
    pair = BlindSpotPair(axis=2, context=context)
    assert pair.num_pairs(volume(depth)) == count
    for index in range(count):
        assert index not in shown(pair, depth, index)[1:]


def test_random_pairs_keep_image_and_target_in_register() -> None:
    noisy = torch.randn(1, 16, 16, 5)
    draw = RandPaird(BlindSpotPair(context=4), patch_size=8).set_random_state(seed=1)
    for _ in range(8):
        pair = draw({"image": noisy})
        assert pair["image"].shape == (5, 8, 8) and torch.equal(pair["image"][:1], pair["target"])


@pytest.mark.parametrize("context", [0, 2, 4])
def test_companions_follow_at_the_same_slice(context: int) -> None:
    pair = BlindSpotPair(axis=2, context=context, companions=2)
    image = torch.cat([volume(9), volume(9) + 100, volume(9) + 200])
    made = pair(image, 3)
    assert pair.in_channels == 1 + context + 2
    assert [int(channel.unique()) for channel in made["image"]][-2:] == [103, 203]
    assert [int(channel.unique()) for channel in made["image"]][0] == 3
    assert torch.equal(made["target"], volume(9)[..., 3])
    assert torch.equal(pair.inputs(image, 2, 5)[1], made["image"])
    with pytest.raises(InputError, match="2 companions"):
        pair(volume(9), 3)


def test_companions_are_counted_from_none() -> None:
    with pytest.raises(InputError, match="companions from 0"):
        BlindSpotPair(companions=-1)


@pytest.mark.parametrize("context", [1, 3, -2])
def test_wrong_context_is_named(context: int) -> None:
    with pytest.raises(InputError, match="expected 0, 2 or 4"):
        BlindSpotPair(context=context)


def test_channels_are_taken_one_by_one() -> None:
    with pytest.raises(InputError, match="one channel at a time"):
        BlindSpotPair()(torch.zeros(2, 4, 4, 4), 0)

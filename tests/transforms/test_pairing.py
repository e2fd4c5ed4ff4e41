# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which slices make a pair, along every axis and at every distance."""

from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import ResidualDenoiser
from monai_diffdenoise.transforms import BlindSpotPair, NeighborSlicePair, Pairing, RepeatPair, SliceBlindPair

PAIRINGS = [NeighborSlicePair, SliceBlindPair, RepeatPair]
AXES = [0, 1, 2, -1, -2, -3]
SHAPE = (6, 7, 8)


def volume(channels: int = 1, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.arange(float(channels * torch.tensor(shape).prod())).reshape(channels, *shape)


def slice_of(image: torch.Tensor, axis: int, index: int) -> torch.Tensor:
    """(C, h, w), by indexing that knows nothing of the code under test."""
    return image.select(axis if axis < 0 else axis + 1, index)


@pytest.mark.parametrize("axis", AXES)
def test_stack_and_unstack_are_inverse(axis: int) -> None:
    image = volume(2)
    slices = NeighborSlicePair(axis).stack(image)
    assert slices.shape[0] == SHAPE[axis]
    assert torch.equal(slices[3], slice_of(image, axis, 3))
    assert torch.equal(NeighborSlicePair(axis).unstack(slices), image)
    assert slices.data_ptr() == image.data_ptr()


@pytest.mark.parametrize("distance", [1, 2, 5, 6, 9])
@pytest.mark.parametrize("axis", AXES)
def test_neighbor_pairs_are_the_slice_and_its_partner(axis: int, distance: int) -> None:
    image, pairing = volume(2), NeighborSlicePair(axis, distance)
    weight = torch.rand(1, *SHAPE)
    assert pairing.num_pairs(image) == max(SHAPE[axis] - distance, 0)
    for index in range(pairing.num_pairs(image)):
        pair = pairing(image, index, weight)
        assert torch.equal(pair["image"], slice_of(image, axis, index))
        assert torch.equal(pair["target"], slice_of(image, axis, index + distance))
        assert torch.equal(pair["weight"], slice_of(weight, axis, index))


@pytest.mark.parametrize("distance", [1, 2, 3])
@pytest.mark.parametrize("axis", AXES)
def test_slice_blind_pairs_inside_the_stack(axis: int, distance: int) -> None:
    image = volume(shape=(13, 14, 15))
    pairing = SliceBlindPair(axis, distance)
    depth = image.shape[axis if axis < 0 else axis + 1]
    assert pairing.num_pairs(image) == depth
    for index in range(2 * distance, depth - 2 * distance):
        pair = pairing(image, index)
        around = [index - 2 * distance, index - distance, index + distance, index + 2 * distance]
        assert torch.equal(pair["image"], torch.cat([slice_of(image, axis, i) for i in around]))
        assert torch.equal(pair["target"], slice_of(image, axis, index))
        assert torch.equal(pair["weight"], torch.ones_like(pair["target"]))


@pytest.mark.parametrize(
    ("depth", "distance", "index", "expected"),
    [
        (5, 1, 0, [2, 1, 1, 2]),
        (5, 1, 1, [3, 0, 2, 3]),
        (5, 1, 3, [1, 2, 4, 1]),
        (5, 1, 4, [2, 3, 3, 2]),
        (3, 1, 0, [2, 1, 1, 2]),
        (3, 1, 1, [0, 0, 2, 2]),
        (3, 1, 2, [0, 1, 1, 0]),
        (9, 2, 1, [5, 3, 3, 5]),
        (5, 2, 2, [0, 0, 4, 4]),
        (5, 2, 1, [3, 3, 3, 3]),
    ],
)
def test_slice_blind_pairs_are_reflected_at_the_ends(
    depth: int, distance: int, index: int, expected: list[int]
) -> None:
    image = torch.arange(float(depth)).expand(1, 2, 3, depth)
    assert SliceBlindPair(2, distance)(image, index)["image"][:, 0, 0].tolist() == expected


@pytest.mark.parametrize("distance", [1, 2, 3])
@pytest.mark.parametrize("depth", range(1, 16))
def test_slice_blind_input_is_never_the_slice_itself(depth: int, distance: int) -> None:
    image = torch.arange(float(depth)).expand(1, 2, 2, depth)
    pairing = SliceBlindPair(2, distance)
    count = pairing.num_pairs(image)
    assert count == (depth if depth > 2 * distance else 0)
    for index in range(count):
        seen = pairing(image, index)["image"][:, 0, 0]
        assert float(index) not in seen.tolist()
        assert ((seen - index).abs() >= distance).all()
        # nothing of the two sides is lost: the base shows both neighbors where there are both
        if index >= distance and index + distance < depth:
            assert seen[[1, 2]].tolist() == [index - distance, index + distance]


@pytest.mark.parametrize("index", range(6))
def test_slice_blind_network_has_no_gradient_to_the_slice_itself(index: int) -> None:
    torch.manual_seed(0)
    pairing = SliceBlindPair(2)
    network = ResidualDenoiser(
        in_channels=pairing.in_channels, channels=4, levels=2, base_channels=pairing.base_channels
    )
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    image = torch.randn(1, 8, 7, 6, requires_grad=True)
    output = network(pairing.inputs(image, index, index + 1))
    (output * torch.randn_like(output)).sum().backward()
    per_slice = image.grad.abs().sum((0, 1, 2))
    assert per_slice[index] == 0
    assert (per_slice > 0).sum() >= 2


@pytest.mark.parametrize("axis", AXES)
def test_repeat_pairs_are_all_pairs_of_times_at_all_places(axis: int) -> None:
    image, pairing = volume(3), RepeatPair(axis)
    weight = torch.rand(1, *SHAPE)
    found = set()
    assert pairing.num_pairs(image) == SHAPE[axis] * 3
    for index in range(pairing.num_pairs(image)):
        pair = pairing(image, index, weight)
        for place in range(SHAPE[axis]):
            here = slice_of(image, axis, place)
            for first in range(3):
                for second in range(3):
                    if torch.equal(pair["image"][0], here[first]) and torch.equal(pair["target"][0], here[second]):
                        assert torch.equal(pair["weight"], slice_of(weight, axis, place))
                        found.add((place, first, second))
    assert found == {(place, a, b) for place in range(SHAPE[axis]) for a, b in ((0, 1), (0, 2), (1, 2))}


def test_one_time_point_offers_no_repeats() -> None:
    assert RepeatPair().num_pairs(volume(1)) == 0


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_a_missing_weight_counts_as_one(pairing: type[Pairing]) -> None:
    pair = pairing()(volume(2 if pairing is RepeatPair else 1), 1)
    assert pair["weight"].shape == (1, *SHAPE[:2])
    assert (pair["weight"] == 1).all()


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("kind", PAIRINGS)
def test_denoising_sees_what_training_saw(kind: type[Pairing], axis: int) -> None:
    image, pairing = volume(), kind(axis)
    depth = SHAPE[axis]
    inputs = pairing.inputs(image, 0, depth)
    assert inputs.shape == (depth, pairing.in_channels, *[s for a, s in enumerate(SHAPE) if a != axis % 3])
    assert torch.equal(pairing.inputs(image, 2, 5), inputs[2:5])
    if kind is not RepeatPair:
        for index in range(pairing.num_pairs(image)):
            assert torch.equal(pairing(image, index)["image"], inputs[index])


def test_pairs_are_views_where_they_can_be() -> None:
    image = volume(2)
    for pairing in (NeighborSlicePair(), RepeatPair()):
        pair = pairing(image, 0)
        assert pair["image"].untyped_storage().data_ptr() == image.untyped_storage().data_ptr()
        assert pair["target"].untyped_storage().data_ptr() == image.untyped_storage().data_ptr()


def test_slice_blind_pairs_take_one_channel_at_a_time() -> None:
    with pytest.raises(InputError, match="2 channels"):
        SliceBlindPair()(volume(2), 0)


def test_too_small_a_stack_cannot_be_denoised_slice_blind() -> None:
    with pytest.raises(InputError, match="got a stack of 1 slices"):
        SliceBlindPair(2).inputs(torch.zeros(1, 4, 4, 1), 0, 1)


@pytest.mark.parametrize("shape", [(1, 8, 8), (8, 8), (1, 1, 8, 8, 8)], ids=str)
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_only_3d_volumes_have_slices(pairing: type[Pairing], shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="expected \\(C, X, Y, Z\\)"):
        pairing().num_pairs(torch.zeros(shape))


@pytest.mark.parametrize("arguments", [{"axis": 3}, {"axis": -4}, {"distance": 0}, {"distance": -1}], ids=str)
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_bad_arguments_are_the_users_mistake(pairing: type[Pairing], arguments: dict[str, int]) -> None:
    with pytest.raises(InputError, match="expected"):
        pairing(**arguments)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("pairing", [NeighborSlicePair, SliceBlindPair, BlindSpotPair, RepeatPair])
def test_targets_name_the_slices_that_may_be_the_target(pairing: type[Pairing], axis: int) -> None:
    image, made = volume(3 if pairing is RepeatPair else 1), pairing(axis)
    targets = made.targets(image)
    assert len(targets) == made.num_pairs(image)
    for index, slices in enumerate(targets):
        pair = made(image, index)
        assert any(torch.equal(pair["target"][0], c[0]) for c in slice_of(image, axis, int(slices[-1])).split(1))
        swaps = pair["image"].shape == pair["target"].shape
        if swaps:
            assert any(torch.equal(pair["image"][0], c[0]) for c in slice_of(image, axis, int(slices[0])).split(1))

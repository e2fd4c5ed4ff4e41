# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Random pairs: the right ones, the same place in each, the same again from the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import MetaTensor
from monai.transforms import Compose, Randomizable, Transform

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms import NeighborSlicePair, Pairing, RandPaird, RepeatPair, SliceBlindPair, held_out

SHAPE = (12, 10, 9)


def numbered(channels: int = 1, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    """A volume whose every voxel tells where it is from."""
    return torch.arange(1.0, 1.0 + channels * float(np.prod(shape))).reshape(channels, *shape)


def slice_numbers(shape: tuple[int, int, int]) -> torch.Tensor:
    """A volume whose every voxel tells its slice along the last axis."""
    return torch.arange(float(shape[2])).expand(1, *shape)


def drawn(transform: RandPaird, data: dict, seed: int) -> dict[str, torch.Tensor]:
    return transform.set_random_state(seed=seed)(data)


@settings(deadline=None, max_examples=60)
@given(
    depth=st.integers(2, 40),
    every=st.integers(2, 12),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from([NeighborSlicePair, SliceBlindPair]),
    distance=st.integers(1, 3),
)
def test_training_never_draws_what_validation_draws(
    depth: int, every: int, seed: int, kind: type[Pairing], distance: int
) -> None:
    data = {"image": slice_numbers((3, 3, depth))}
    pairing = kind(2, distance)
    count = pairing.num_pairs(data["image"])
    if count < every:
        return
    training = RandPaird(pairing, patch_size=3, augment=False, holdout_every=every)
    validation = RandPaird(pairing, patch_size=3, part="validation", augment=False, holdout_every=every)
    first = distance if kind is NeighborSlicePair else 0
    kept = [index + first for index in held_out(count, every)]
    found = training.holdout(data["image"])
    if set(found.train) & set(found.validation):
        # slices of 3 x 3 pixels have no strips either
        return
    for k in range(12):
        pair = drawn(training, data, seed + k)
        assert int(pair["target"][0, 0, 0]) not in kept
        if kind is NeighborSlicePair:
            # the other slice may be the target as well
            assert int(pair["image"][0, 0, 0]) not in kept
        assert int(drawn(validation, data, seed + k)["target"][0, 0, 0]) in kept


def test_every_pair_of_its_part_is_drawn() -> None:
    data = {"image": slice_numbers((3, 3, 30))}
    for part, expected in (
        ("train", set(range(29)) - {5, 6, 15, 16, 25, 26}),
        ("validation", {5, 15, 25}),
        ("all", set(range(29))),
    ):
        transform = RandPaird(NeighborSlicePair(), patch_size=3, part=part, augment=False).set_random_state(seed=0)
        assert {int(transform(data)["image"][0, 0, 0]) for _ in range(600)} == expected


@pytest.mark.parametrize("part", ["train", "validation", "all"])
def test_a_small_volume_is_trained_and_validated_on_all(part: str) -> None:
    data = {"image": slice_numbers((3, 3, 4))}
    transform = RandPaird(NeighborSlicePair(), patch_size=3, part=part, augment=False).set_random_state(seed=0)
    assert {int(transform(data)["image"][0, 0, 0]) for _ in range(60)} == {0, 1, 2}


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("kind", [NeighborSlicePair, SliceBlindPair, RepeatPair])
def test_dictionary_and_array_versions_agree(kind: type[Pairing], axis: int) -> None:
    image = numbered(3 if kind is RepeatPair else 1)
    weight = torch.rand(1, *SHAPE)
    pairing = kind(axis)
    transform = RandPaird(pairing, patch_size=max(SHAPE), part="all", augment=False)
    size = [side for a, side in enumerate(SHAPE) if a != axis % 3]
    for seed in range(10):
        pair = drawn(transform, {"image": image, "weight": weight}, seed)
        whole = {name: value[:, : size[0], : size[1]] for name, value in pair.items()}
        candidates = [pairing(image, index, weight) for index in range(pairing.num_pairs(image))]
        assert any(all(torch.equal(whole[name], c[name]) for name in whole) for c in candidates)


@pytest.mark.parametrize("augment", [True, False])
@pytest.mark.parametrize("kind", [NeighborSlicePair, SliceBlindPair, RepeatPair])
def test_patches_of_a_pair_are_of_the_same_place_and_orientation(kind: type[Pairing], augment: bool) -> None:
    # one picture in all slices and times: whatever is cut, image, target and weight must agree
    plane = torch.rand(1, 20, 17, 1)
    image = plane.expand(3 if kind is RepeatPair else 1, 20, 17, 9)
    transform = RandPaird(kind(), patch_size=8, augment=augment, holdout_every=0)
    for seed in range(20):
        pair = drawn(transform, {"image": image, "weight": image[:1]}, seed)
        assert pair["target"].shape == pair["weight"].shape == (1, 8, 8)
        assert pair["image"].shape == (kind.in_channels, 8, 8)
        assert torch.equal(pair["target"], pair["weight"])
        assert torch.equal(pair["image"], pair["target"].expand_as(pair["image"]))


def test_all_eight_orientations_and_both_roles_are_drawn() -> None:
    image = numbered(shape=(3, 3, 2))
    transform = RandPaird(NeighborSlicePair(), patch_size=3, part="all").set_random_state(seed=0)
    seen = {tuple(transform({"image": image})["image"].flatten().int().tolist()) for _ in range(400)}
    assert len(seen) == 16


def test_swapping_keeps_the_weight_of_the_pair() -> None:
    image = numbered(shape=(3, 3, 6))
    weight = slice_numbers((3, 3, 6))
    transform = RandPaird(NeighborSlicePair(), patch_size=3, part="all")
    roles = set()
    for seed in range(60):
        pair = drawn(transform, {"image": image, "weight": weight}, seed)
        first, second = (int((pair[name].min() - 1) % 6) for name in ("image", "target"))
        assert abs(first - second) == 1
        assert (pair["weight"] == min(first, second)).all()
        roles.add(first < second)
    assert roles == {True, False}


def test_roles_stay_without_augmentation_and_where_they_differ() -> None:
    image = numbered(shape=(3, 3, 6))
    plain = RandPaird(NeighborSlicePair(), patch_size=3, part="all", augment=False)
    blind = RandPaird(SliceBlindPair(), patch_size=3, part="all")
    for seed in range(30):
        pair = drawn(plain, {"image": image}, seed)
        assert torch.equal(pair["target"] - pair["image"], torch.ones(1, 3, 3))
        assert drawn(blind, {"image": image}, seed)["target"].shape == (1, 3, 3)


def test_padding_of_a_small_slice_has_no_weight() -> None:
    image = numbered(shape=(5, 4, 6))
    transform = RandPaird(NeighborSlicePair(), patch_size=8, augment=False)
    pair = drawn(transform, {"image": image}, 0)
    assert {name: tuple(value.shape) for name, value in pair.items()} == dict.fromkeys(pair, (1, 8, 8))
    assert (pair["weight"][:, :5, :4] == 1).all()
    assert pair["weight"].sum() == 5 * 4
    assert torch.equal(pair["image"][:, 5:, :4], pair["image"][:, 4:5, :4].expand(1, 3, 4))
    augmented = drawn(RandPaird(NeighborSlicePair(), patch_size=8), {"image": image}, 3)
    assert augmented["weight"].sum() == 5 * 4


def test_patches_reach_every_corner() -> None:
    image = numbered(shape=(5, 6, 2))
    transform = RandPaird(NeighborSlicePair(), patch_size=4, part="all", augment=False).set_random_state(seed=1)
    corners = {int(transform({"image": image})["image"][0, 0, 0]) for _ in range(200)}
    assert corners == {int(image[0, x, y, 0]) for x in (0, 1) for y in (0, 1, 2)}


def test_the_seed_decides() -> None:
    data = {"image": torch.rand(1, 20, 20, 12), "weight": torch.rand(1, 20, 20, 12)}
    transform = RandPaird(NeighborSlicePair(), patch_size=8)
    assert isinstance(transform, Randomizable)
    first, again, other = (drawn(transform, data, seed) for seed in (5, 5, 6))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["image"], other["image"])
    composed = Compose([RandPaird(NeighborSlicePair(), patch_size=8)]).set_random_state(seed=5)
    assert torch.equal(composed(data)["image"], Compose([transform]).set_random_state(seed=5)(data)["image"])


def test_arrays_and_metatensors_give_plain_contiguous_tensors() -> None:
    image, weight = torch.rand(1, 9, 9, 6), torch.rand(1, 9, 9, 6)
    transform = RandPaird(NeighborSlicePair(), patch_size=6)
    expected = drawn(transform, {"image": image, "weight": weight}, 2)
    for convert in (MetaTensor, lambda t: t.numpy()):
        pair = drawn(transform, {"image": convert(image), "weight": convert(weight)}, 2)
        for name, value in pair.items():
            assert type(value) is torch.Tensor
            assert value.is_contiguous()
            assert torch.equal(value, expected[name])


def test_keys_can_be_named() -> None:
    data = {"ct": torch.rand(1, 6, 6, 4), "matched": torch.zeros(1, 6, 6, 4), "image": torch.full((1, 6, 6, 4), -1.0)}
    pair = drawn(RandPaird(NeighborSlicePair(), key="ct", weight_key="matched", patch_size=6), data, 0)
    assert (pair["image"] >= 0).all()
    assert pair["weight"].sum() == 0


@pytest.mark.parametrize("axis", [0, 2])
def test_input_is_left_as_it_was(axis: int) -> None:
    data = {"image": torch.rand(1, 6, 6, 6), "weight": torch.rand(1, 6, 6, 6)}
    copy = {name: value.clone() for name, value in data.items()}
    pair = drawn(RandPaird(NeighborSlicePair(axis), patch_size=6, augment=False), data, 0)
    for value in pair.values():
        value.zero_()
    assert all(torch.equal(data[name], copy[name]) for name in data)


def test_the_pairs_of_a_long_series_are_looked_over_once() -> None:
    # 40 slices and 100 time points make 198 000 pairs; going through them at each draw would take most of the time
    image = torch.zeros(1, 4, 4, 40).expand(100, 4, 4, 40)
    draw = RandPaird(RepeatPair(), patch_size=4)
    first, second = (draw.holdout(image) for _ in range(2))
    assert len(first.train) == 198_000 - 19_800
    assert first is second


@pytest.mark.parametrize(
    ("pairing", "shape"),
    [(NeighborSlicePair(2, 3), (1, 8, 8, 3)), (SliceBlindPair(), (1, 8, 8, 2)), (RepeatPair(), (1, 8, 8, 8))],
)
def test_a_volume_without_pairs_is_the_users_mistake(pairing: Pairing, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"{type(pairing).__name__} finds no pair"):
        RandPaird(pairing)({"image": torch.zeros(shape)})


@pytest.mark.parametrize("arguments", [{"part": "test"}, {"patch_size": 0}])
def test_bad_arguments_are_the_users_mistake(arguments: dict) -> None:
    with pytest.raises(InputError, match="expected part"):
        RandPaird(NeighborSlicePair(), **arguments)


class Add(Randomizable, Transform):
    """Stands for what is done after: adds a random number to the target, in place, and counts."""

    def __call__(self, data: dict) -> dict:
        data["target"] += self.R.uniform()
        return data


def test_what_is_done_after_follows_the_seed_and_leaves_the_volume() -> None:
    image = torch.zeros(1, 12, 12, 12)
    transform = RandPaird(NeighborSlicePair(), patch_size=8, after=Add())
    values = [float(drawn(transform, {"image": image}, seed)["target"][0, 0, 0]) for seed in (1, 2, 1)]
    assert values[0] == values[2] != values[1] and 0 < values[0] < 1
    assert not image.any()
    # a seed draws the same patch with and without it
    numbers = {"image": numbered()}
    plain, after = (RandPaird(NeighborSlicePair(), patch_size=8, after=then) for then in (None, lambda pair: pair))
    assert torch.equal(drawn(plain, numbers, 3)["image"], drawn(after, numbers, 3)["image"])


def test_roles_stay_in_validation() -> None:
    image = slice_numbers((4, 4, 24))
    transform = RandPaird(NeighborSlicePair(), patch_size=4, part="validation").set_random_state(seed=0)
    assert {int(transform({"image": image})["target"][0, 0, 0]) for _ in range(40)} == {6, 16}


def test_strips_count_in_one_part_alone() -> None:
    data = {"image": torch.rand(1, 20, 8, 5), "weight": torch.full((1, 20, 8, 5), 0.5)}
    weights = {
        part: RandPaird(SliceBlindPair(), patch_size=20, part=part, augment=False)(data)["weight"][0, :, :8]
        for part in ("train", "validation", "all")
    }
    inside = torch.zeros(20, 8)
    inside[10:12] = 0.5
    assert torch.equal(weights["validation"], inside)
    assert torch.equal(weights["train"], 0.5 - inside)
    assert torch.equal(weights["all"], torch.full((20, 8), 0.5))
    boolean = RandPaird(SliceBlindPair(), patch_size=20, augment=False)({**data, "weight": data["weight"] > 0})
    assert boolean["weight"].dtype == torch.bool and int(boolean["weight"].sum()) == 18 * 8

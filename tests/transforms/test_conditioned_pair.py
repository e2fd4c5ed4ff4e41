# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of a condition and a target: which slice, which time point, and that they stay in register."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms import ConditionedPair, RandConditionedPaird


def numbered(times: int = 1, depth: int = 5, offset: float = 0.0) -> torch.Tensor:
    """(times, 4, 3, depth), every voxel holding 100 * time + slice + offset."""
    slices = torch.arange(float(depth)) + 100 * torch.arange(float(times)).reshape(-1, 1, 1, 1) + offset
    return slices.expand(times, 4, 3, depth).clone()


def ask(pair: ConditionedPair, times: int = 1, depth: int = 5) -> list[tuple[float, float, float]]:
    """Image (the condition), target and weight of all pairs; the condition is 0.5 more than the slice's number."""
    volume = numbered(times, depth)
    weight = numbered(1, depth)
    found = []
    for index in range(pair.num_pairs(volume)):
        made = pair(volume, index, weight, numbered(times, depth, 0.5), numbered(times, depth, 0.25))
        found.append(tuple(float(made[name][0].unique()) for name in ("image", "target", "weight")))
    return found


def test_same() -> None:
    assert ask(ConditionedPair("same"), depth=3) == [(0.5, 0, 0), (1.5, 1, 1), (2.5, 2, 2)]


def test_neighbors_both_ways_under_the_weight_of_the_two() -> None:
    assert sorted(ask(ConditionedPair("neighbor"), depth=3)) == [(0.5, 1, 0), (1.5, 0, 0), (1.5, 2, 1), (2.5, 1, 1)]
    assert sorted(ask(ConditionedPair("neighbor", distance=2), depth=3)) == [(0.5, 2, 0), (2.5, 0, 0)]
    assert ask(ConditionedPair("neighbor", distance=3), depth=3) == []


def test_repeats_never_meet_themselves() -> None:
    found = ask(ConditionedPair("repeat"), times=3, depth=2)
    assert len(found) == 12 and len(set(found)) == 12
    for image, target, weight in found:
        assert image % 100 - 0.5 == target % 100 == weight
        assert image // 100 != target // 100


def test_recorrupted_targets_come_from_their_own_volume() -> None:
    assert ask(ConditionedPair("recorrupted"), times=2, depth=2) == [
        (0.5, 0.25, 0),
        (100.5, 100.25, 0),
        (1.5, 1.25, 1),
        (101.5, 101.25, 1),
    ]


def test_the_noisy_slice_beside_the_condition() -> None:
    pair = ConditionedPair("neighbor", show_noisy=True)
    made = pair(numbered(), 0, condition=numbered(offset=0.5))
    assert pair.in_channels == 2
    assert [float(channel.unique()) for channel in made["image"]] == [0.5, 0]
    assert float(made["target"].unique()) == 1
    assert float(made["weight"].unique()) == 1
    shown = pair.inputs(numbered(), 1, 4, numbered(offset=0.5))
    assert shown[:, :, 0, 0].tolist() == [[1.5, 1], [2.5, 2], [3.5, 3]]


@pytest.mark.parametrize("axis", [0, 1, 2, -3])
def test_any_axis(axis: int) -> None:
    volume = torch.rand(1, 4, 5, 6)
    made = ConditionedPair("neighbor", axis=axis)(volume, 0, condition=2 * volume)
    assert torch.equal(made["image"], 2 * volume.select(axis % 3 + 1, 0))
    assert torch.equal(made["target"], volume.select(axis % 3 + 1, 1))


@pytest.mark.parametrize(
    ("pair", "free"),
    [
        (ConditionedPair("same"), False),
        (ConditionedPair("same", reach=2, sees_slice=False), True),
        (ConditionedPair("neighbor"), True),
        (ConditionedPair("neighbor", distance=3, reach=2), True),
        (ConditionedPair("repeat", reach=2), True),
        (ConditionedPair("recorrupted", reach=2), True),
    ],
)
def test_which_pairs_are_free_of_the_leak(pair: ConditionedPair, free: bool) -> None:
    assert pair.leak_free is free


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"target": "neighbour"}, "expected one of"),
        ({"target": "neighbor", "reach": 1}, "holds them"),
        ({"target": "neighbor", "distance": 2, "reach": 2}, "larger distance"),
        ({"target": "same", "show_noisy": True}, "would show the target"),
        ({"reach": -1}, "at least 0"),
    ],
    ids=str,
)
def test_what_would_leak_is_refused(arguments: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ConditionedPair(**arguments)


def test_missing_and_wrong_volumes_are_named() -> None:
    volume = numbered()
    with pytest.raises(InputError, match="condition of shape none"):
        ConditionedPair("same")(volume, 0)
    with pytest.raises(InputError, match="condition of shape"):
        ConditionedPair("same")(volume, 0, condition=volume[..., :2])
    with pytest.raises(InputError, match="targets of shape none"):
        ConditionedPair("recorrupted")(volume, 0, condition=volume)
    with pytest.raises(InputError, match="no condition"):
        ConditionedPair("same").inputs(volume, 0, 1)


def noisy(seed: int, depth: int = 12) -> torch.Tensor:
    return torch.randn(1, 20, 18, depth, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("show_noisy", [False, True])
def test_random_patches_stay_in_register_and_never_swap(show_noisy: bool) -> None:
    volume, weight = noisy(0), noisy(2).abs()
    data = {"image": volume, "condition": volume + 100, "targets": volume + 200, "weight": weight}
    draw = RandConditionedPaird(ConditionedPair("recorrupted", show_noisy=show_noisy), patch_size=8)
    draw.set_random_state(seed=0)
    seen = set()
    for _ in range(30):
        pair = draw(data)
        assert pair["image"].shape == (1 + show_noisy, 8, 8)
        torch.testing.assert_close(pair["image"][:1], pair["target"] - 100, rtol=0, atol=1e-4)
        if show_noisy:
            torch.testing.assert_close(pair["image"][1:], pair["target"] - 200, rtol=0, atol=1e-4)
        corner = (volume - (float(pair["target"][0, 0, 0]) - 200)).abs() < 1e-4
        assert float((weight[corner] - pair["weight"][0, 0, 0]).abs().min()) < 1e-6
        seen.add(float(pair["target"][0, 0, 0]))
    assert len(seen) == 30


def test_held_out_pairs_are_not_trained_on() -> None:
    volume = torch.arange(40.0).expand(1, 8, 8, 40).clone()
    data = {"image": volume, "condition": volume}
    parts: Any = ("train", "validation")
    seen = []
    for part in parts:
        draw = RandConditionedPaird(ConditionedPair("same"), patch_size=4, part=part)
        draw.set_random_state(seed=0)
        seen.append({float(draw(data)["target"][0, 0, 0]) for _ in range(300)})
    assert seen[0] and seen[1]
    assert not seen[0] & seen[1]


def test_the_targets_slices_are_told() -> None:
    volume = numbered(2, 4)
    for pair in (ConditionedPair("neighbor"), ConditionedPair("repeat"), ConditionedPair("same")):
        told = pair.targets(volume)
        assert told.shape == (pair.num_pairs(volume), 1)
        for index, (slice_number,) in enumerate(told):
            target = pair(volume, index, condition=volume)["target"]
            assert float(target.unique()) % 100 == slice_number


def test_small_slices_are_padded_without_weight() -> None:
    volume = noisy(0)[:, :5]
    draw = RandConditionedPaird(ConditionedPair("same"), patch_size=8, augment=False)
    draw.set_random_state(seed=0)
    pair = draw({"image": volume, "condition": volume})
    assert pair["image"].shape == pair["target"].shape == pair["weight"].shape == (1, 8, 8)
    assert not pair["weight"][:, 5:].any() and bool(pair["weight"][:, :5].all())


def test_no_pair_and_no_volume_are_named() -> None:
    draw = RandConditionedPaird(ConditionedPair("neighbor", distance=20))
    with pytest.raises(InputError, match="no pair with target neighbor"):
        draw({"image": noisy(0), "condition": noisy(0)})
    with pytest.raises(InputError, match="got no image"):
        draw({"condition": noisy(0)})

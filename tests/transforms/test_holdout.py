# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What is held out is never a target in training: no slice, no strip, no voxel of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms import (
    BlindSpotPair,
    NeighborSlicePair,
    Pairing,
    RandPaird,
    RepeatPair,
    SliceBlindPair,
    held_out,
    held_out_strips,
    hold_out,
)


@given(count=st.integers(0, 5000), every=st.integers(2, 40))
def test_held_out_are_few_spread_and_leave_the_rest(count: int, every: int) -> None:
    kept = held_out(count, every)
    assert kept == sorted(set(kept)) and all(0 <= index < count for index in kept)
    if count < every:
        assert kept == []
    else:
        assert 1 <= len(kept) <= count // every + 1
        assert len(kept) <= count / 2 + 0.5


@pytest.mark.parametrize(("count", "expected"), [(9, []), (10, [5]), (26, [5, 15, 25])])
def test_held_out_in_numbers(count: int, expected: list[int]) -> None:
    assert held_out(count) == expected


def test_nothing_is_held_out_at_zero_and_everything_never() -> None:
    assert held_out(100, 0) == [] and held_out_strips((100, 100), 0) == (0, [])
    for every in (1, -3):
        with pytest.raises(InputError, match="at least 2"):
            held_out(100, every)


@pytest.mark.parametrize(
    ("size", "axis", "strips"),
    [
        ((9, 9), 0, []),
        ((10, 4), 0, [(5, 6)]),
        ((4, 25), 1, [(10, 12)]),
        ((96, 80), 0, [(40, 48)]),
        ((80, 200), 1, [(40, 48), (120, 128)]),
    ],
)
def test_strips_in_numbers(size: tuple[int, int], axis: int, strips: list[tuple[int, int]]) -> None:
    assert held_out_strips(size) == (axis, strips)


@given(rows=st.integers(1, 600), columns=st.integers(1, 600), every=st.integers(2, 20))
def test_strips_are_a_small_part_inside_the_slice(rows: int, columns: int, every: int) -> None:
    axis, strips = held_out_strips((rows, columns), every)
    assert (rows, columns)[axis] == max(rows, columns)
    assert all(0 <= start < stop <= max(rows, columns) for start, stop in strips)
    assert bool(strips) == (max(rows, columns) >= every)
    assert sum(stop - start for start, stop in strips) <= max(2 / every, 0.51) * max(rows, columns)


def test_what_stands_in_for_a_target_is_kept_from_training_too() -> None:
    first = np.arange(12)
    found = hold_out(np.stack([first, first + 1], axis=1), (4, 4))
    # the target of pair 5 is slice 6, which pair 6 would show in the other role
    assert found.validation == (5,) and found.train == (0, 1, 2, 3, 4, 7, 8, 9, 10, 11)
    assert found.inside is None


def test_where_no_pair_would_be_left_strips_are_kept() -> None:
    first = np.arange(8)
    found = hold_out(np.stack([first, first + 1], axis=1), (6, 20), every=2)
    assert found.train == found.validation == tuple(range(8))
    assert found.axis == 1 and found.inside is not None and found.inside.shape == (1, 6, 20)
    assert found.strips == ((8, 16),) and found.inside.any(dim=1).sum() == 8


def test_a_volume_that_can_spare_nothing_is_validated_on_all() -> None:
    found = hold_out(np.arange(4)[:, None], (9, 9))
    assert found.train == found.validation == (0, 1, 2, 3) and found.inside is None


def _trained(transform: RandPaird, volume: torch.Tensor, draws: int, seed: int) -> set[float]:
    """Values, each of which stands for one voxel, that count as a target in either role."""
    seen: set[float] = set()
    transform.set_random_state(seed=seed)
    for _ in range(draws):
        pair = transform({"image": volume})
        counted = pair["weight"].expand_as(pair["target"]) > 0
        seen |= set(pair["target"][counted].tolist())
        if transform.part == "train" and isinstance(transform.pairing, (NeighborSlicePair, RepeatPair)):
            # losses of both roles exist
            seen |= set(pair["image"][counted].tolist())
    return seen


@settings(deadline=None, max_examples=80)
@given(
    kind=st.sampled_from(["neighbor", "blind", "context", "slice-blind", "repeat"]),
    depth=st.integers(1, 24),
    size=st.tuples(st.integers(10, 26), st.integers(4, 26)),
    every=st.integers(2, 11),
    distance=st.integers(1, 3),
    patch=st.integers(3, 12),
    seed=st.integers(0, 2**31),
)
def test_no_voxel_of_a_validation_target_is_ever_trained_on(
    kind: str, depth: int, size: tuple[int, int], every: int, distance: int, patch: int, seed: int
) -> None:
    pairings: dict[str, Pairing] = {
        "neighbor": NeighborSlicePair(2, distance),
        "blind": BlindSpotPair(2, distance),
        "context": BlindSpotPair(2, distance, context=2),
        "slice-blind": SliceBlindPair(2, distance),
        "repeat": RepeatPair(2),
    }
    pairing = pairings[kind]
    shape = (3 if kind == "repeat" else 1, *size, depth)
    volume = torch.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    assume(pairing.num_pairs(volume) > 0 and every <= max(size))
    train, validation = (
        RandPaird(pairing, patch_size=patch, part=part, augment=part == "train", holdout_every=every)
        for part in ("train", "validation")
    )
    trained, validated = _trained(train, volume, 60, seed), _trained(validation, volume, 20, seed)
    if kind == "repeat":
        # the noise of a place is told by all pairs of its repeats
        place = float(np.prod(shape[1:]))
        trained, validated = ({(value - 1) % place for value in found} for found in (trained, validated))
    assert validated and trained
    assert not trained & validated


def test_every_validation_patch_holds_some_of_a_strip() -> None:
    volume = torch.randn(1, 200, 40, 3)
    draw = RandPaird(BlindSpotPair(), patch_size=16, part="validation", augment=False).set_random_state(seed=0)
    assert all(float(draw({"image": volume})["weight"].sum()) >= 16 * 8 for _ in range(50))


def test_repeats_of_a_held_out_place_are_all_held_out() -> None:
    volume = torch.arange(20.0).expand(5, 12, 12, 20)
    train = RandPaird(RepeatPair(), patch_size=12)
    places = {int(i) // 10 for i in train.indices(volume)}
    assert places == set(range(20)) - {5, 15}
    assert {i // 10 for i in RandPaird(RepeatPair(), part="validation").indices(volume)} == {5, 15}

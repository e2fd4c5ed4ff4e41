# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Pairs by number: the same in any process and in any order."""

from __future__ import annotations

import pickle
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.transforms import Compose, Randomizable, Transform

from monai_diffdenoise.data import CountingSampler, PairDataset, pair_dataset, pair_loader
from monai_diffdenoise.data.storage import allocate, memory_limit
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms import AffineScaling, NeighborSlicePair, RandPaird


class RandNumbered(Randomizable, Transform):
    """Stands for RandPaird: the volume's name and a random number."""

    def __call__(self, data: dict) -> dict[str, torch.Tensor]:
        return {"volume": data["image"].mean(), "draw": torch.tensor(self.R.uniform(size=4))}


def dataset(seed: int = 0, **arguments: int) -> PairDataset:
    volumes = [{"image": torch.full((1, 4, 4, depth), float(depth))} for depth in (2, 6, 12)]
    return PairDataset(volumes, RandNumbered(), seed=seed, **arguments)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=6, unique=True))
def test_an_item_does_not_depend_on_what_was_drawn_before(numbers: list[int]) -> None:
    forward, backward = dataset(), dataset()
    first = {number: forward[number] for number in numbers}
    second = {number: backward[number] for number in reversed(numbers)}
    assert all(same(first[number], second[number]) for number in numbers)
    assert len({tuple(item["draw"].tolist()) for item in first.values()}) == len(numbers)


def test_an_item_depends_on_the_seed() -> None:
    assert not same(dataset(0)[3], dataset(1)[3])
    # neighboring seeds must not share their items at shifted numbers
    first = {tuple(dataset(0)[number]["draw"].tolist()) for number in range(50)}
    second = {tuple(dataset(1)[number]["draw"].tolist()) for number in range(50)}
    assert not first & second


def test_an_item_survives_the_way_to_another_process() -> None:
    original = dataset()
    original[7]
    assert same(pickle.loads(pickle.dumps(original))[3], dataset()[3])


def test_a_composed_transform_is_seeded_too() -> None:
    volumes = [{"image": torch.zeros(1, 2, 2, 2)}]
    first, second = (PairDataset(volumes, Compose([RandNumbered()])) for _ in range(2))
    first[0]
    assert same(first[5], second[5])


def test_volumes_are_drawn_by_their_size() -> None:
    supply = dataset()
    drawn = Counter(int(supply[number]["volume"]) for number in range(1000))
    for depth in (2, 6, 12):
        assert drawn[depth] / 1000 == pytest.approx(depth / 20, abs=0.06)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_the_items_in_order(workers: int) -> None:
    loader = pair_loader(dataset(), batch_size=3, iterations=4, num_workers=workers)
    batches = list(loader)
    assert len(batches) == len(loader) == 4
    supply = dataset()
    for k, batch in enumerate(batches):
        expected = [supply[3 * k + j] for j in range(3)]
        assert torch.equal(batch["draw"], torch.stack([item["draw"] for item in expected]))


def test_a_loader_goes_on_where_it_is_told_to() -> None:
    whole = list(pair_loader(dataset(), batch_size=2, iterations=5))
    loader = pair_loader(dataset(), batch_size=2, iterations=5)
    loader.sampler.start = 3 * 2
    rest = list(loader)
    assert len(rest) == 2
    assert all(same(a, b) for a, b in zip(whole[3:], rest, strict=True))


@given(stop=st.integers(0, 60), start=st.integers(0, 60), world_size=st.integers(1, 5))
def test_processes_share_the_numbers_without_overlap(stop: int, start: int, world_size: int) -> None:
    parts = [list(CountingSampler(stop, start, rank, world_size)) for rank in range(world_size)]
    assert sorted(number for part in parts for number in part) == list(range(start, stop))
    assert [len(CountingSampler(stop, start, rank, world_size)) for rank in range(world_size)] == list(map(len, parts))


def test_processes_together_draw_what_one_would() -> None:
    alone = [batch["draw"] for batch in pair_loader(dataset(), batch_size=4, iterations=3)]
    shared = [list(pair_loader(dataset(), batch_size=2, iterations=3, rank=rank, world_size=2)) for rank in range(2)]
    for k in range(3):
        together = torch.cat([shared[rank][k]["draw"] for rank in range(2)])
        assert torch.equal(together.sort(0)[0], alone[k].sort(0)[0])


def test_length_is_what_was_said() -> None:
    assert len(dataset(length=17)) == 17


def test_negative_numbers_and_no_volumes_are_refused() -> None:
    with pytest.raises(IndexError):
        dataset()[-1]
    with pytest.raises(InputError, match="no volume"):
        PairDataset([], RandNumbered())


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("megabytes", [0, 1000])
def test_pairs_of_a_mapped_volume_are_scaled_as_they_are_drawn(
    megabytes: float, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_dataset, "_DROP_EVERY", 3)
    values = 50 + 9 * torch.randn(1, 20, 24, 9, generator=torch.Generator().manual_seed(0))
    scaling, matched = AffineScaling(13.0, 7.0), values > 45
    with memory_limit(megabytes):
        image, weight = allocate(values.shape), allocate(values.shape, dtype=torch.bool)
    image[:], weight[:] = values, matched
    drawn = {
        "as it is": [{"image": image, "weight": weight, "scaling": scaling}],
        "normalised": [{"image": scaling.apply(values), "weight": matched.float()}],
    }
    loaders = [
        pair_loader(PairDataset(volumes, RandPaird(NeighborSlicePair(), patch_size=22)), 2, 4, num_workers=number)
        for volumes, number in zip(drawn.values(), (workers, 0), strict=True)
    ]
    for first, second in zip(*loaders, strict=True):
        assert same(first, second)
        assert first["weight"].dtype == torch.float32

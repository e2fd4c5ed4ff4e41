# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Masked pairs: which pixels are chosen, that nothing of them is left in the image, and what is told of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.transforms import Compose

from monai_diffdenoise.data import PairDataset, pair_loader
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks import spot_offsets
from monai_diffdenoise.transforms import (
    BlindSpotPair,
    MaskPixelsd,
    RandPaird,
    correlated_spot,
    mask_pixels,
    stratified_places,
)
from monai_diffdenoise.transforms.masking import mask_offsets

HIDING = ["uniform", "normal", "median"]
ALL = [*HIDING, "uniform-with-center"]


def random(seed: int = 0) -> np.random.RandomState:
    return np.random.RandomState(seed)


def same(image: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"image": image, "target": image[:1], "weight": torch.ones_like(image[:1])}


@settings(deadline=None, max_examples=60)
@given(size=st.lists(st.integers(1, 40), min_size=2, max_size=3), share=st.floats(0.2, 50), seed=st.integers(0, 999))
def test_no_two_places_share_a_cell(size: list[int], share: float, seed: int) -> None:
    places = stratified_places(size, share, random(seed)).numpy()
    side = int((100 / share) ** (1 / len(size)) + 1e-9)
    cells = {tuple(place // side) for place in places}
    assert len(cells) == len(places) and (places >= 0).all() and (places < np.array(size)).all()


@pytest.mark.parametrize("size", [(31, 18), (9, 10, 11)])
@pytest.mark.parametrize("share", [0.7, 1.5, 6.0, 30.0])
def test_every_pixel_is_chosen_with_the_same_probability(size: tuple[int, ...], share: float) -> None:
    count, draws, state = torch.zeros(size), 2500, random(1)
    for _ in range(draws):
        count.index_put_(stratified_places(size, share, state).unbind(1), torch.tensor(1.0), accumulate=True)
    p = share / 100
    z = (count - draws * p) / math.sqrt(draws * p * (1 - p))
    # a chi-square of all pixels; the strata lower it a little, never raise it
    assert float(z.square().mean()) < 1 + 5 * math.sqrt(2 / z.numel())
    assert float(z.mean()) == pytest.approx(0, abs=4 / math.sqrt(z.numel()))
    assert float(count.mean() / draws) == pytest.approx(p, rel=0.05)


@pytest.mark.parametrize("replace", HIDING)
@pytest.mark.parametrize("spot", [None, spot_offsets(3), [[1, 1, 1, 1, 1]], spot_offsets(5, "diamond")])
def test_the_masked_image_depends_on_no_hidden_pixel(replace: str, spot: object) -> None:
    # exactly: other values at all hidden pixels, and not one bit of the masked image differs
    transform = MaskPixelsd(share=2, replace=replace, spot=spot)
    image = torch.randn(1, 29, 34)
    pair = transform.set_random_state(3)(same(image))
    chosen = pair["weight"] > 0
    assert chosen.any()
    hidden = torch.zeros_like(chosen)
    for down, right in mask_offsets(transform.spot, 2):
        for _, r, c in chosen.nonzero().tolist():
            if 0 <= r + down < 29 and 0 <= c + right < 34:
                hidden[0, r + down, c + right] = True
    other = torch.where(hidden, torch.randn(1, 29, 34) + 7, image)
    again = transform.set_random_state(3)(same(other))
    assert torch.equal(again["image"], pair["image"]) and torch.equal(again["weight"], pair["weight"])
    assert torch.equal(pair["image"][~hidden], image[~hidden])
    assert (pair["image"][hidden] != image[hidden]).all()
    assert torch.equal(pair["target"], image)


def test_the_masked_image_depends_on_no_hidden_voxel_in_3d() -> None:
    image = torch.randn(1, 12, 13, 14)
    transform = MaskPixelsd(share=1, radius=3, spot=np.ones((1, 1, 3)))
    pair = transform.set_random_state(0)(same(image))
    chosen = pair["weight"] > 0
    assert int(chosen.sum()) > 5 and (pair["image"][chosen] != image[chosen]).all()
    changed = pair["image"] != image
    along = chosen | chosen.roll(1, 3).index_fill(3, torch.tensor([0]), False)
    along |= chosen.roll(-1, 3).index_fill(3, torch.tensor([13]), False)
    assert torch.equal(changed, along)
    other = transform.set_random_state(0)(same(torch.where(changed, torch.randn_like(image), image)))
    assert torch.equal(other["image"], pair["image"])


@pytest.mark.parametrize("replace", ALL)
@pytest.mark.parametrize("channels", [0, 3])
def test_hidden_noise_is_independent_of_the_noise_of_the_target(replace: str, channels: int) -> None:
    state, seen, asked = random(5), [], []
    transform = MaskPixelsd(share=4, replace=replace, radius=2 if replace == "uniform-with-center" else 5)
    transform.set_random_state(2)
    for _ in range(40):
        noise = torch.from_numpy(state.standard_normal((1 + channels, 64, 64)))
        pair = transform({"image": noise, "target": noise[:1], "weight": torch.ones(1, 64, 64)})
        at = pair["weight"] > 0
        seen.append(pair["image"][:1][at])
        asked.append(pair["target"][at])
        assert torch.equal(pair["image"][1:], noise[1:])
    x, t = torch.cat(seen), torch.cat(asked)
    correlation = float((x * t).mean() / (x.std() * t.std()))
    # with the center, one in 25 keeps its value, a few more when neighbors are hidden
    expected = 1 / 24 if replace == "uniform-with-center" else 0.0
    assert correlation == pytest.approx(expected, abs=4 / math.sqrt(len(x)))
    assert float(x.mean()) == pytest.approx(0, abs=4 / math.sqrt(len(x)))


def test_uniform_replacements_come_from_the_whole_window_evenly() -> None:
    image = torch.arange(121.0).reshape(1, 11, 11)
    place, state, count = torch.tensor([[5, 5]]), random(0), np.zeros(121)
    for _ in range(12000):
        count[int(mask_pixels(image, place, state)[0][0, 5, 5])] += 1
    assert count[60] == 0
    z = (np.delete(count, 60) - 100) / 10
    assert (z**2).mean() < 1 + 5 * math.sqrt(2 / 120) and abs(z).max() < 5


def test_normal_replacements_are_gaussian_in_distance() -> None:
    image = torch.arange(441.0).reshape(1, 21, 21)
    place, state = torch.tensor([[10, 10]]), random(0)
    values = torch.stack([mask_pixels(image, place, state, "normal", radius=2)[0][0, 10, 10] for _ in range(6000)])
    rows = (values // 21 - 10).numpy()
    weight = np.exp(-0.5 * (np.arange(-2, 3) / 1.6) ** 2)
    table = np.outer(weight, weight)
    table[2, 2] = 0
    expected = table.sum(axis=1) / table.sum()
    found = np.array([(rows == row).mean() for row in range(-2, 3)])
    assert found == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(6000))


def test_the_median_is_that_of_the_window_without_the_pixel() -> None:
    image = torch.randn(2, 9, 9)
    masked, chosen = mask_pixels(image, torch.tensor([[4, 4], [0, 0]]), random(), "median", radius=1)
    for row, column, window in ((4, 4, image[:, 3:6, 3:6]), (0, 0, image[:, :2, :2])):
        inner = 4 if row else 0
        around = torch.cat([window.flatten(1)[:, :inner], window.flatten(1)[:, inner + 1 :]], dim=1)
        assert torch.equal(masked[:, row, column], around.median(dim=1).values)
    assert int(chosen.sum()) == 2


def test_all_channels_of_a_target_are_taken_from_one_place() -> None:
    color = torch.randn(1, 30, 30)
    image = torch.cat([color, color + 10, color + 20])
    masked, chosen = mask_pixels(image, stratified_places((30, 30), 3, random()), random())
    assert torch.allclose(masked[1] - masked[0], torch.tensor(10.0), atol=1e-5)
    assert int((masked != image).all(0).sum()) == int(chosen.sum())


@pytest.mark.parametrize("share", [1.5, 50])
def test_weight_is_kept_at_the_chosen_pixels_alone(share: float) -> None:
    weight = torch.rand(1, 40, 40)
    pair = MaskPixelsd(share=share).set_random_state(0)({**same(torch.randn(1, 40, 40)), "weight": weight, "id": 7})
    at = pair["weight"] > 0
    assert torch.equal(pair["weight"][at], weight[at]) and pair["id"] == 7
    assert float(at.float().mean()) == pytest.approx(share / 100, abs=0.05 * share / 100 + 0.006)
    whole = MaskPixelsd().set_random_state(0)({**same(torch.randn(1, 40, 40)), "weight": weight > 0.5})
    assert torch.equal(whole["weight"] > 0, whole["weight"].bool() & (weight > 0.5))


@pytest.mark.parametrize("replace", ALL)
def test_a_pixel_without_neighbors_is_not_chosen(replace: str) -> None:
    image = torch.randn(1, 1, 1)
    masked, chosen = mask_pixels(image, torch.tensor([[0, 0]]), random(), replace)
    assert torch.equal(masked, image)
    assert bool(chosen.any()) == (replace == "uniform-with-center")
    none = mask_pixels(torch.randn(1, 4, 4), torch.empty(0, 2, dtype=torch.int64), random(), replace)
    assert not none[1].any()


def test_what_surrounds_may_all_be_hidden() -> None:
    # every pixel of a patch hidden: none can be asked for, so all stay
    image = torch.randn(1, 3, 3)
    places = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    masked, chosen = mask_pixels(image, places, random())
    assert torch.equal(masked, image) and not chosen.any()


def test_the_correlation_shapes_the_spot() -> None:
    correlation = torch.zeros(5, 5)
    correlation[2, :] = torch.tensor([0.05, 0.4, 1.0, 0.4, 0.05])
    correlation[1, 2] = correlation[3, 2] = -0.2
    assert correlated_spot(correlation) == {(0, -1), (0, 0), (0, 1), (-1, 0), (1, 0)}
    assert correlated_spot(correlation, 0.3) == {(0, -1), (0, 0), (0, 1)}
    assert set(mask_offsets([[1, 1, 1]], 2)) == {(0, -1), (0, 0), (0, 1)}
    assert set(mask_offsets([[0, 0, 1]], 2)) == {(0, 0), (0, 1)}
    assert set(mask_offsets(spot_offsets((3, 1)), 2)) == {(-1, 0), (0, 0), (1, 0)}


def test_the_number_decides_in_a_data_set_alone_and_composed() -> None:
    volumes = [{"image": torch.randn(1, 30, 30, 12)}]
    for make in (
        lambda: RandPaird(BlindSpotPair(context=2), patch_size=16, after=MaskPixelsd()),
        lambda: Compose([RandPaird(BlindSpotPair(context=2), patch_size=16), MaskPixelsd()]),
    ):
        first, second = (PairDataset(volumes, make(), seed=4) for _ in range(2))
        backward = {k: second[k] for k in (5, 3, 0)}
        for k in (0, 3, 5):
            assert all(torch.equal(first[k][name], backward[k][name]) for name in ("image", "target", "weight"))
        assert not torch.equal(first[0]["weight"], first[1]["weight"])
        batches = [list(pair_loader(PairDataset(volumes, make(), seed=4), 2, 2, num_workers=n)) for n in (0, 2)]
        for alone, helped in zip(*batches, strict=True):
            assert all(torch.equal(alone[name], helped[name]) for name in alone)


def test_after_is_done_before_the_patch_is_turned() -> None:
    # bars along the rows of the volume stay bars along them: in a turned patch they are turned as well
    volume = torch.randn(1, 24, 24, 12)
    spot = [[1, 1, 1, 1, 1]]
    draw = RandPaird(BlindSpotPair(), patch_size=24, after=MaskPixelsd(share=0.2, spot=spot)).set_random_state(0)
    directions = set()
    for _ in range(40):
        pair = draw({"image": volume})
        where = (pair["image"] != pair["target"])[0]
        rows, columns = where.any(1).sum(), where.any(0).sum()
        if where.any():
            assert rows <= 2 * (pair["weight"] > 0).sum() or columns <= 2 * (pair["weight"] > 0).sum()
            directions.add(bool(rows < columns))
    assert directions == {True, False}


def test_padding_does_not_show_what_is_hidden() -> None:
    volume = torch.randn(1, 9, 20, 12)
    draw = RandPaird(BlindSpotPair(), patch_size=16, augment=False, after=MaskPixelsd(share=20)).set_random_state(1)
    pair = draw({"image": volume})
    assert (pair["weight"] > 0).any() and (pair["weight"][:, 9:] == 0).all()
    for row, column in (pair["weight"][0] > 0).nonzero().tolist():
        assert not (pair["image"] == pair["target"][0, row, column]).any()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"share": 0}, "share above 0"),
        ({"share": 51}, "share above 0"),
        ({"radius": 0}, "radius from 1"),
        ({"replace": "noise"}, "one of uniform"),
        ({"spot": [[1, 1]]}, "odd numbers"),
        ({"spot": set()}, "empty"),
        ({"radius": 1, "spot": spot_offsets(3)}, "fills the window"),
    ],
)
def test_bad_arguments_are_the_users_mistake(arguments: dict, match: str) -> None:
    with pytest.raises(InputError, match=match):
        MaskPixelsd(**arguments)


def test_bad_pairs_are_the_users_mistake() -> None:
    image = torch.randn(1, 8, 8)
    with pytest.raises(InputError, match="BlindSpotPair"):
        MaskPixelsd()({"image": image, "target": image.expand(2, 8, 8), "weight": image})
    with pytest.raises(InputError, match="3 dimensions"):
        MaskPixelsd(spot=[[1, 1, 1]])(same(torch.randn(1, 8, 8, 8)))
    with pytest.raises(InputError, match="limit above 0"):
        correlated_spot(torch.ones(3, 3), 0)

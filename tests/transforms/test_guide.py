# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Median, guide and the weight made from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms import guide
from monai_diffdenoise.transforms.guide import (
    MatchedRegionWeight,
    MatchedRegionWeightd,
    default_tau,
    guide_noise,
    guide_slices,
    matched_region_weight,
    median_filter,
)

SIGMA = 0.1


def noisy_step(height: int, width: int, count: int = 1, seed: int = 0) -> torch.Tensor:
    """Slices (N, H, W) with an edge, in float64."""
    clean = torch.zeros(count, height, width, dtype=torch.float64)
    clean[:, height // 3 :, width // 2 :] = 1
    return clean + SIGMA * torch.randn(clean.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_median_equals_scipy(size: int) -> None:
    image = torch.randint(0, 9, (3, 11, 8), generator=torch.Generator().manual_seed(size)).float()
    expected = [ndimage.median_filter(part, size, mode="mirror") for part in image.numpy()]
    assert np.array_equal(median_filter(image, size), np.stack(expected))


def test_median_of_even_size_is_refused() -> None:
    with pytest.raises(InputError, match="odd"):
        median_filter(torch.rand(1, 4, 4), 4)


def test_guide_without_noise_is_the_slices() -> None:
    image = torch.rand(2, 6, 6)
    assert torch.equal(guide_slices(image, 0.0), image)


def test_guide_noise_is_that_of_repeated_guides() -> None:
    anatomy = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((96, 96)), 6)
    anatomy = torch.from_numpy(anatomy / anatomy.std()).float().repeat(6, 1, 1)
    guides = [guide_slices(anatomy + SIGMA * torch.randn(anatomy.shape), SIGMA) for _ in range(2)]
    truth = float((guides[1] - guides[0]).std() / 2**0.5)
    assert guide_noise(guides[0]) == pytest.approx(truth, rel=0.25)
    assert guide_noise(guides[0][:1]) == 0.0


@pytest.mark.parametrize(("noise", "tau"), [(0.0, 0.5), (0.15, 0.5), (0.4, 1.0), (0.5, 1.25), (3.0, 1.25)])
def test_tau_follows_the_guides_noise_between_its_limits(noise: float, tau: float) -> None:
    for unit in (1.0, 1e-9, 1e3):
        assert default_tau(unit, noise * unit) == pytest.approx(tau * unit)


def test_weight_is_one_up_to_tau_and_has_no_gradient() -> None:
    a = torch.tensor([0.0, 0.0, 0.0, 0.0], requires_grad=True)
    b = torch.tensor([0.0, 0.5, -0.5, 0.6], requires_grad=True)
    weight = matched_region_weight(a, b, 0.5)
    assert weight.tolist() == [1.0, 1.0, 1.0, 0.0]
    assert not weight.requires_grad
    assert torch.equal(weight, matched_region_weight(b, a, 0.5))


@pytest.fixture
def changed() -> tuple[torch.Tensor, torch.Tensor]:
    """A noisy volume (1, X, Y, 6) whose slices 3 to 5 hold a bright square that slices 0 to 2 lack, and that square."""
    square = torch.zeros(40, 44, dtype=torch.bool)
    square[10:30, 12:32] = True
    volume = torch.ones(1, 40, 44, 6)
    volume[0, square, 3:] = 2
    noise = torch.randn(volume.shape, generator=torch.Generator().manual_seed(0))
    return volume + SIGMA * noise, square


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("distance", [1, 2])
def test_weight_belongs_to_the_pair_that_starts_at_its_slice(
    changed: tuple[torch.Tensor, torch.Tensor], axis: int, distance: int
) -> None:
    volume, square = changed
    weight = MatchedRegionWeight(axis, distance)(volume.movedim(3, axis % 3 + 1)).movedim(axis % 3 + 1, 3)[0]
    assert set(weight.unique().tolist()) == {0.0, 1.0}
    assert not weight[..., 6 - distance :].any()
    inside = torch.from_numpy(ndimage.binary_erosion(square.numpy(), iterations=3))
    outside = torch.from_numpy(~ndimage.binary_dilation(square.numpy(), iterations=3))
    for i in range(6 - distance):
        same = (i < 3) == (i + distance < 3)
        assert float(weight[..., i][outside].mean()) > 0.97
        assert float(weight[..., i][inside].mean()) > 0.97 if same else not weight[..., i][inside].any()


def test_given_sigma_and_tau_are_used(changed: tuple[torch.Tensor, torch.Tensor]) -> None:
    volume, _ = changed
    assert MatchedRegionWeight(2, sigma=SIGMA, tau=5.0)(volume)[..., :-1].all()
    estimated, given = (MatchedRegionWeight(2, sigma=sigma)(volume) for sigma in (None, SIGMA))
    assert float((estimated != given).float().mean()) < 0.01
    assert float(MatchedRegionWeight(2, sigma=SIGMA, tau=0.0)(volume).mean()) < 0.01


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_weight_does_not_depend_on_units(changed: tuple[torch.Tensor, torch.Tensor], scale: float) -> None:
    volume, _ = changed
    expected, got = MatchedRegionWeight(2)(volume), MatchedRegionWeight(2)(volume * scale)
    assert float((expected != got).float().mean()) < 1e-3


def test_channels_are_weighed_apart(changed: tuple[torch.Tensor, torch.Tensor]) -> None:
    volume, _ = changed
    both = MatchedRegionWeight(2)(torch.cat([volume, 100 * volume[..., :1].expand(volume.shape)]))
    assert torch.equal(both[:1], MatchedRegionWeight(2)(volume))
    assert both[1, ..., :-1].all()


@pytest.mark.parametrize("depth", [1, 2])
def test_volume_without_pairs_has_no_weight(depth: int) -> None:
    assert not MatchedRegionWeight(2, distance=2)(torch.rand(1, 9, 9, depth)).any()


@pytest.mark.parametrize("pixels", [1, 40 * 44 * 2, 1 << 19])
@pytest.mark.parametrize("distance", [1, 2])
@pytest.mark.parametrize("numbers", [{}, {"sigma": SIGMA}, {"tau": 0.05}], ids=str)
def test_slices_are_weighed_alike_in_parts_and_at_once(
    changed: tuple[torch.Tensor, torch.Tensor],
    pixels: int,
    distance: int,
    numbers: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    volume = torch.cat([changed[0], 3 * changed[0].flip(3)])
    sigmas = [numbers.get("sigma") or _sigma_of(channel, distance) for channel in volume]
    expected = torch.zeros_like(volume)
    for channel, matched, sigma in zip(volume, expected, sigmas, strict=True):
        guides = guide_slices(channel.movedim(2, 0), sigma)
        tau = numbers.get("tau") or default_tau(
            sigma, guide_noise(guides, distance, guide.foreground_threshold(channel.movedim(2, 0)))
        )
        matched[..., : 6 - distance] = matched_region_weight(guides[:-distance], guides[distance:], tau).movedim(0, 2)
    monkeypatch.setattr(guide, "_PART_PIXELS", pixels)
    match = MatchedRegionWeight(2, distance, **numbers)
    out, seen = torch.ones(2, 6, 40, 44, dtype=torch.bool).movedim(1, 3), []
    assert match(volume, out, lambda done, total: seen.append((done, total))) is out
    assert torch.equal(out, match(volume).bool())
    assert torch.equal(out, expected.bool())
    assert seen[-1] == (12, 12) and seen == sorted(seen)


def _sigma_of(channel: torch.Tensor, distance: int) -> float:
    slices = channel.movedim(2, 0)
    difference = (slices[distance:] - slices[:-distance]) / 2**0.5
    return guide.block_noise_std(difference, slices[:-distance], guide.foreground_threshold(slices))


def test_noise_of_the_guides_comes_from_some_pairs_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = 1 + SIGMA * torch.randn(1, 32, 32, 40, generator=torch.Generator().manual_seed(0))
    asked: list[list[int]] = []
    make = guide._Guides.__call__
    monkeypatch.setattr(
        guide._Guides, "__call__", lambda self, indices: asked.append(list(indices)) or make(self, indices)
    )
    whole = MatchedRegionWeight(2, sigma=SIGMA)(volume)
    assert asked[0] == list(range(39))
    asked.clear()
    monkeypatch.setattr(guide, "_VOXELS", 10 * 32 * 32)
    some = MatchedRegionWeight(2, sigma=SIGMA)(volume)
    assert len(asked[0]) == 10 and asked[0][0] == 0 and asked[0][-1] == 38
    assert float((whole != some).float().mean()) < 0.02


def test_guides_made_one_by_one_are_those_made_at_once() -> None:
    slices = noisy_step(20, 24, count=6).float() + torch.arange(6)[:, None, None]
    guides = guide._Guides(slices, SIGMA)
    assert torch.equal(torch.cat([guides([index]) for index in (3, 0, 5)]), guide_slices(slices, SIGMA)[[3, 0, 5]])


def test_no_guide_is_made_twice_nor_kept_longer_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = 1 + SIGMA * torch.randn(1, 16, 16, 30, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(guide, "_VOXELS", 4 * 16 * 16)
    monkeypatch.setattr(guide, "_PART_PIXELS", 5 * 16 * 16)
    made, kept = [0], [0]
    ask, denoise = guide._Guides.__call__, guide.guide_slices

    def counted(slices: torch.Tensor, *numbers: float) -> torch.Tensor:
        made[0] += len(slices)
        return denoise(slices, *numbers)

    def looked_at(self: guide._Guides, indices: list[int]) -> torch.Tensor:
        answer = ask(self, indices)
        kept[0] = max(kept[0], len(self.made))
        return answer

    monkeypatch.setattr(guide, "guide_slices", counted)
    monkeypatch.setattr(guide._Guides, "__call__", looked_at)
    MatchedRegionWeight(2, 2, sigma=SIGMA)(volume)
    assert made[0] == 30
    assert kept[0] <= 5 + 2 + 2 * 4


def test_constant_volume_is_matched_everywhere() -> None:
    assert MatchedRegionWeight(2)(torch.ones(1, 9, 9, 3))[..., :2].all()


@pytest.mark.parametrize(
    "settings", [{"axis": 3}, {"axis": -4}, {"distance": 0}, {"sigma": -1.0}, {"tau": float("nan")}]
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected"):
        MatchedRegionWeight(**settings)  # type: ignore[arg-type]


def test_volume_of_two_axes_is_refused() -> None:
    with pytest.raises(InputError, match="expected \\(C, X, Y, Z\\)"):
        MatchedRegionWeight()(torch.rand(1, 9, 9))


def test_dictionary_version_adds_the_weight_and_keeps_the_geometry(changed: tuple[torch.Tensor, torch.Tensor]) -> None:
    volume, _ = changed
    affine = torch.diag(torch.tensor([1.0, 2.0, 3.0, 1.0]))
    data = {"image": MetaTensor(volume, affine=affine), "name": "a"}
    weighed = MatchedRegionWeightd(axis=2, sigma=SIGMA)(data)
    assert torch.equal(weighed["weight"].as_tensor(), MatchedRegionWeight(2, sigma=SIGMA)(volume))
    assert torch.equal(weighed["weight"].affine, data["image"].affine)
    assert torch.equal(weighed["image"], volume) and "weight" not in data


def test_dictionary_version_takes_one_key() -> None:
    with pytest.raises(InputError, match="2 keys"):
        MatchedRegionWeightd(["image", "other"])
    assert MatchedRegionWeightd(allow_missing_keys=True)({"name": "a"}) == {"name": "a"}

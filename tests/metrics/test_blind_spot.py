# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Blind-spot errors against the true error."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve, gaussian_filter

from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.blind_spot import blind_spot_mse, masked_mse

CLEAN = make_phantom((64, 64, 8), seed=2)[None]


def donut(width: float, hole: int = 0) -> np.ndarray:
    """A Gaussian kernel of a plane without its middle."""
    offset = np.arange(-6, 7)
    kernel = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * width**2))
    kernel[6 - hole : 7 + hole, 6 - hole : 7 + hole] = 0.0
    return (kernel / kernel.sum())[None, :, :, None]


def blind(image: torch.Tensor, width: float = 1.0, hole: int = 0) -> torch.Tensor:
    return torch.as_tensor(convolve(np.asarray(image), donut(width, hole), mode="wrap"))


@pytest.mark.parametrize("width", [0.7, 1.0, 2.0])
def test_identity_of_blind_spots(width: float) -> None:
    """mean((y - c)^2) - sigma^2 is the true error, within three standard errors, and on average over draws."""
    differences = []
    for seed in range(10):
        noisy = add_noise(CLEAN, "gaussian", 0.1, seed=seed)
        found = blind_spot_mse(noisy, blind(noisy, width), 0.1)
        differences.append(found.value - float((blind(noisy, width) - CLEAN).square().mean()))
        assert abs(differences[-1]) < 3 * found.standard_error
    assert abs(np.mean(differences)) < 3.5 * np.std(differences, ddof=1) / math.sqrt(10)
    assert np.std(differences) < 0.0003


def test_hole_has_to_cover_the_correlation() -> None:
    noisy = add_noise(CLEAN, "correlated", 0.1, seed=3)
    wide, narrow = blind(noisy, 2.0, hole=3), blind(noisy, 2.0)
    found = blind_spot_mse(noisy, wide, 0.1)
    assert abs(found.value - float((wide - CLEAN).square().mean())) < 3 * found.standard_error
    assert blind_spot_mse(noisy, narrow, 0.1).value < float((narrow - CLEAN).square().mean()) - 0.002


def test_closed_form_map_and_mask() -> None:
    noisy = torch.tensor([[[1.0, 2.0], [3.0, math.nan]]])
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    sigma = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    found = blind_spot_mse(noisy, torch.zeros(1, 2, 2), sigma, mask=mask)
    assert found.value == pytest.approx((1 + 4 + 9 - 1 - 4) / 3)


@pytest.mark.parametrize("axis", [2, None])
def test_made_blind_a_blind_denoiser_stays_what_it_is(axis: int | None) -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.1, seed=4)
    found = masked_mse(noisy, blind, 0.1, axis=axis, stride=14)
    true = float((blind(noisy) - CLEAN).square().mean())
    assert abs(found.value - true) < 4 * found.standard_error
    assert masked_mse(noisy, blind, 0.0, axis=axis, stride=14).value == pytest.approx(found.value + 0.01)


def test_masked_voxels_do_not_reach_the_result() -> None:
    """The identity made blind is the mean of the ring, whatever the voxel holds: here 8 neighbors of a constant."""
    noisy = torch.zeros(1, 32, 32, 4)
    chosen = torch.zeros(noisy.shape, dtype=torch.bool)

    def watch(image: torch.Tensor) -> torch.Tensor:
        chosen.copy_(image != 1.0)
        return image

    assert masked_mse(noisy + 1.0, watch, axis=2).value == 0.0
    assert not bool(chosen.any())
    noise = torch.randn(1, 64, 64, 8, generator=torch.Generator().manual_seed(0))
    found = masked_mse(noise, lambda image: image, axis=2)
    assert found.value == pytest.approx(1 + 1 / 8, abs=4 * found.standard_error)


def test_masked_score_keeps_to_the_mask() -> None:
    noise = torch.randn(1, 64, 64, 8, generator=torch.Generator().manual_seed(1))
    noise[:, 32:] *= 3.0
    mask = torch.zeros(noise.shape)
    mask[:, :28] = 1.0
    found = masked_mse(noise, lambda image: image, axis=2, mask=mask)
    assert found.value == pytest.approx(1 + 1 / 8, abs=4 * found.standard_error)
    assert masked_mse(noise, lambda image: image, axis=2).value > 4.0


def test_radius_covers_correlated_noise() -> None:
    noisy = 0.5 + add_noise(torch.zeros(1, 96, 96, 6), "correlated", 0.1, seed=5)

    def smooth(image: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(gaussian_filter(np.asarray(image), (0, 0.7, 0.7, 0)))

    near, far = (masked_mse(noisy, smooth, axis=2, radius=r).value for r in (0, 3))
    assert near < 0.009
    assert far > 0.0099


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"radius": -1}, "radius"),
        ({"radius": 2, "stride": 5}, "stride"),
        ({"axis": 3}, "axis"),
        ({"mask": torch.zeros(1, 64, 64, 8)}, "mask"),
        ({"stride": 200}, "lattice point"),
    ],
)
def test_refuses(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        masked_mse(CLEAN, lambda y: y, **arguments)  # type: ignore[arg-type]

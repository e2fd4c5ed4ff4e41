# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Errors against neighboring slices, compared with the true error."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.probe import probe_response
from monai_diffdenoise.metrics.slice_error import slice_gain, slice_mse

STILL = make_phantom((64, 64, 1), seed=3).expand(64, 64, 12)[None].contiguous()
"""All slices alike."""


def smooth(image: torch.Tensor, width: float = 0.7) -> torch.Tensor:
    return torch.as_tensor(gaussian_filter(np.asarray(image), (0, width, width, 0)))


def over_slices(image: torch.Tensor) -> torch.Tensor:
    return (image + image.roll(1, -1) + image.roll(-1, -1)) / 3


def true_error(image: torch.Tensor, clean: torch.Tensor) -> float:
    return float((image - clean).square().mean())


@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
@pytest.mark.parametrize("denoise", [smooth, lambda y: y, lambda y: smooth(y, 2.0)])
def test_pair_error_minus_variance_is_the_true_error(
    denoise: Callable[[torch.Tensor], torch.Tensor], kind: str
) -> None:
    noisy = add_noise(STILL, kind, 0.1, seed=1)
    found = slice_mse(noisy, denoise(noisy), 0.1)
    difference = abs(found.value - true_error(denoise(noisy), STILL))
    assert difference < min(3 * found.standard_error, 0.0004)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_any_axis(axis: int) -> None:
    noisy = add_noise(STILL, "gaussian", 0.1, seed=2)
    moved, cleaned = noisy.movedim(-1, 1 + axis % 3), smooth(noisy).movedim(-1, 1 + axis % 3)
    assert slice_mse(moved, cleaned, 0.1, axis).value == pytest.approx(slice_mse(noisy, smooth(noisy), 0.1).value)
    assert slice_gain(moved, cleaned, axis).value == pytest.approx(slice_gain(noisy, smooth(noisy)).value)


def test_closed_form_with_weight_mask_and_nan() -> None:
    noisy = torch.tensor([[[1.0, 2.0, 4.0], [1.0, math.nan, 1.0]]]).reshape(1, 2, 1, 3)
    denoised = torch.tensor([[[0.0, 1.0, 5.0], [0.0, 0.0, 0.0]]]).reshape(1, 2, 1, 3)
    mask = ~noisy.isnan()
    weight = torch.tensor([[[1.0, 0.5, 9.0], [1.0, 1.0, 1.0]]]).reshape(1, 2, 1, 3)
    # pairs of the first row: (0-2)^2 and (1-1)^2 with weight 1, (1-4)^2 and (5-2)^2 with weight 0.5
    found = slice_mse(noisy, denoised, 0.5, 2, weight=weight, mask=mask)
    assert found.value == pytest.approx((1.0 * (4 + 0) / 2 + 0.5 * (9 + 9) / 2) / 1.5 - 0.25)


def test_weight_takes_out_what_changes() -> None:
    clean = STILL.clone()
    clean[:, 20:40, 20:40, ::2] += 0.5
    noisy = add_noise(clean, "gaussian", 0.1, seed=3)
    weight = torch.ones_like(clean)
    weight[:, 20:40, 20:40] = 0.0
    assert slice_mse(noisy, noisy, 0.1).value > 0.03
    assert slice_mse(noisy, noisy, 0.1, weight=weight).value == pytest.approx(0.01, rel=0.02)
    assert slice_mse(noisy, noisy, 0.1, weight=weight[0, None]).value == pytest.approx(0.01, rel=0.02)


def test_a_denoiser_that_sees_the_neighbor_needs_its_response() -> None:
    noisy = add_noise(STILL, "gaussian", 0.1, seed=4)
    cleaned = over_slices(noisy)
    true = true_error(cleaned, STILL)
    response = probe_response(noisy, over_slices, 0.1)
    assert slice_mse(noisy, cleaned, 0.1).value < 0.3 * true
    found = slice_mse(noisy, cleaned, 0.1, response=response)
    assert abs(found.value - true) < 4 * found.standard_error
    assert slice_gain(noisy, cleaned).value > 0.01
    gain = slice_gain(noisy, cleaned, response=response)
    assert abs(gain.value - (true_error(noisy, STILL) - true)) < 4 * gain.standard_error


@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
@pytest.mark.parametrize("width", [0.5, 1.0, 3.0])
def test_gain_needs_no_sigma_and_has_the_right_sign(width: float, kind: str) -> None:
    noisy = add_noise(STILL, kind, 0.1, seed=5)
    found = slice_gain(noisy, smooth(noisy, width))
    true = true_error(noisy, STILL) - true_error(smooth(noisy, width), STILL)
    assert abs(found.value - true) < 4 * found.standard_error
    if abs(true) > 0.001:
        assert math.copysign(1, found.value) == math.copysign(1, true)


def test_gain_counts_a_slice_only_if_both_its_pairs_match() -> None:
    noisy = torch.zeros(1, 4, 4, 3)
    noisy[..., 1] = 1.0
    noisy[:, 2:, :, 0] = 5.0
    weight = torch.ones(1, 4, 4, 3)
    weight[:, 2:, :, 0] = 0.0
    # r = 1, y - t = 1: 2 * 1 - 1
    assert slice_gain(noisy, torch.zeros_like(noisy), weight=weight).value == pytest.approx(1.0)
    assert slice_gain(noisy, torch.zeros_like(noisy)).value < 0


def test_extrapolation_removes_smooth_change() -> None:
    """Anatomy x(z) = cos(k z) along z: its part of E[r (y - t)] goes with 1 - cos(k d), all but the square's."""
    z = torch.arange(40) * 0.5
    clean = torch.rand(1, 48, 48, 1, generator=torch.Generator().manual_seed(1)) * torch.cos(z)
    noisy = add_noise(clean, "gaussian", 0.02, seed=6)
    cleaned = smooth(noisy, 1.0)
    wrong = []
    for extrapolate, margin in ((False, 1), (True, 2)):
        inner = slice(margin, 40 - margin)
        true = true_error(noisy[..., inner], clean[..., inner]) - true_error(cleaned[..., inner], clean[..., inner])
        wrong.append(abs(slice_gain(noisy, cleaned, extrapolate=extrapolate).value - true))
    assert wrong[1] < 0.15 * wrong[0]


def test_noisy_image_gains_nothing() -> None:
    noisy = torch.rand(1, 16, 16, 6)
    assert slice_gain(noisy, noisy).value == 0.0


def test_few_slices() -> None:
    noisy = add_noise(STILL, "gaussian", 0.1, seed=7)
    for count in (3, 4, 5):
        part = noisy[..., :count]
        assert slice_gain(part, smooth(part)).value > 0
    with pytest.raises(InputError, match="at least 3"):
        slice_gain(noisy[..., :2], noisy[..., :2])
    with pytest.raises(InputError, match="one pair"):
        slice_mse(noisy[..., :1], noisy[..., :1], 0.1)


def test_refuses_what_leaves_nothing() -> None:
    noisy = torch.rand(1, 8, 8, 6)
    with pytest.raises(InputError, match="no voxel counts"):
        slice_gain(noisy, noisy, weight=torch.zeros(1, 8, 8, 6))
    with pytest.raises(InputError, match="no pair"):
        slice_mse(noisy, noisy, 0.1, weight=torch.zeros(1, 8, 8, 6))
    with pytest.raises(InputError, match="weight of shape"):
        slice_mse(noisy, noisy, 0.1, weight=torch.zeros(1, 8, 8, 5))


def test_integers_do_not_wrap() -> None:
    noisy = torch.randint(0, 255, (1, 8, 8, 6), dtype=torch.uint8)
    cleaned = noisy.flip(1)
    assert slice_gain(noisy, cleaned).value == pytest.approx(slice_gain(noisy.double(), cleaned.double()).value)

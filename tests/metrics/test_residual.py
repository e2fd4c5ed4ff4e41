# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What is found in residuals, against what was put there."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.probe import probe_response
from monai_diffdenoise.metrics.residual import (
    autocorrelation,
    residual_autocorrelation,
    structure_correlation,
    structure_loss,
)

CLEAN = make_phantom((64, 64, 24), seed=4)[None]


def smooth(image: torch.Tensor, width: float = 0.8) -> torch.Tensor:
    return torch.as_tensor(gaussian_filter(np.asarray(image), (0, width, width, 0)))


def test_autocorrelation_of_a_moving_mean() -> None:
    white = torch.randn(2, 80, 90, 4, generator=torch.Generator().manual_seed(0))
    field = 7.0 + white[:, :-2] + white[:, 1:-1] + white[:, 2:]
    found = autocorrelation(field, (1, 2, 3))
    assert found[0] == pytest.approx((2 / 3, 1 / 3, 0.0), abs=0.02)
    assert found[1] == pytest.approx((0.0, 0.0, 0.0), abs=0.02)
    assert found[2][:3] == pytest.approx((0.0, 0.0, 0.0), abs=0.03)


def test_autocorrelation_keeps_to_the_mask() -> None:
    field = torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(1))
    field[:, :32] = 100.0 * torch.linspace(0, 1, 64)
    field[:, 0, 0] = math.nan
    mask = torch.zeros(1, 64, 64)
    mask[:, 32:] = 1.0
    assert autocorrelation(field, (1,), mask)[1][0] == pytest.approx(0.0, abs=0.06)
    with pytest.raises(InputError, match="NaN"):
        autocorrelation(field, (1,))


def test_autocorrelation_of_what_is_too_short_or_does_not_vary() -> None:
    assert autocorrelation(torch.rand(1, 8, 2), (1, 2, 3))[1][1:] == (None, None)
    assert autocorrelation(torch.ones(1, 8, 8), (1,)) == ((None,), (None,))
    empty = residual_autocorrelation(torch.ones(1, 8, 8), torch.ones(1, 8, 8))
    assert json.loads(json.dumps(empty.as_dict()))["excess"] is None
    with pytest.raises(InputError, match="lags"):
        autocorrelation(torch.ones(1, 8, 8), (0,))


@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
def test_residual_is_compared_with_what_noise_leaves(kind: str) -> None:
    noisy = add_noise(CLEAN, kind, 0.1, seed=2)
    draw = add_noise(torch.zeros(CLEAN.shape), kind, 1.0, seed=3)
    for width in (0.6, 2.0):
        for image, low, high in ((noisy - CLEAN, 0.0, 0.04), (noisy, 0.1, 1.0)):
            response = probe_response(image, lambda y, w=width: smooth(y, w), 0.1, probe_noise=draw)
            cleaned = smooth(image, width)
            assert low <= residual_autocorrelation(image, cleaned, noise=response.left_out).excess < high
    # all of the noise removed: the residual has the noise's own correlation
    assert residual_autocorrelation(noisy, CLEAN, noise=draw).excess < 0.03
    assert (residual_autocorrelation(noisy, CLEAN).excess > 0.2) == (kind == "correlated")


@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_structure_loss_is_the_bias_that_slices_share(width: float, kind: str) -> None:
    still = CLEAN[..., 12:13].expand(CLEAN.shape).contiguous()
    noisy = add_noise(still, kind, 0.1, seed=4)
    found = structure_loss(noisy, smooth(noisy, width))
    lost = float((still - smooth(still, width)).square().mean())
    removed = float((noisy - smooth(noisy, width)).square().mean())
    assert found.energy == pytest.approx(lost, abs=4 * found.share.standard_error * removed)
    assert found.share.value == pytest.approx(lost / removed, abs=4 * found.share.standard_error)


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_structure_loss_of_anatomy_that_changes_is_a_little_too_small(width: float) -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.05, seed=5)
    lost = float((CLEAN - smooth(CLEAN, width)).square().mean())
    assert 0.6 * lost < structure_loss(noisy, smooth(noisy, width)).energy < 1.05 * lost


def test_structure_loss_of_smooth_change_is_extrapolated() -> None:
    z = torch.arange(60) * 0.4
    clean = torch.rand(1, 40, 40, 1, generator=torch.Generator().manual_seed(2)) * torch.cos(z)
    lost = float((clean - smooth(clean, 1.0)).square().mean())
    assert structure_loss(clean, smooth(clean, 1.0)).energy == pytest.approx(lost, rel=0.02)
    assert math.cos(0.4) < 0.93


def test_structure_loss_sees_no_structure_in_noise() -> None:
    noisy = add_noise(CLEAN, "correlated", 0.1, seed=6)
    found = structure_loss(noisy, CLEAN)
    assert abs(found.share.value) < 4 * found.share.standard_error < 0.1
    assert structure_loss(noisy, noisy).share.value == 0.0


def test_structure_loss_of_a_denoiser_over_slices_needs_its_response() -> None:
    def over_slices(image: torch.Tensor) -> torch.Tensor:
        return (image + image.roll(1, -1) + image.roll(-1, -1)) / 3

    still = CLEAN[..., 12:13].expand(CLEAN.shape).contiguous()
    noisy = add_noise(still, "gaussian", 0.1, seed=7)
    response = probe_response(noisy, over_slices, 0.1)
    assert structure_loss(noisy, over_slices(noisy)).share.value < -0.3
    found = structure_loss(noisy, over_slices(noisy), response=response)
    assert abs(found.share.value) < 4 * found.share.standard_error < 0.2


@pytest.mark.parametrize("sigma", [0.005, 0.02, 0.05, 0.1, 0.2])
@pytest.mark.parametrize("width", [0.4, 0.6, 1.0, 1.5])
def test_averaging_that_removed_less_structure_than_noise_did_no_harm(width: float, sigma: float) -> None:
    """What the verdict's limit of one half rests on, with the structure that is known here."""
    noisy = add_noise(CLEAN, "gaussian", sigma, seed=8)
    cleaned = smooth(noisy, width)
    share = (CLEAN - smooth(CLEAN, width)).square().mean() / (noisy - cleaned).square().mean()
    if share < 0.5:
        assert (cleaned - CLEAN).square().mean() < (noisy - CLEAN).square().mean()


def test_structure_loss_needs_pairs() -> None:
    with pytest.raises(InputError, match="pair"):
        structure_loss(CLEAN[..., :1], CLEAN[..., :1])
    mask = torch.zeros(CLEAN.shape)
    mask[..., 3] = 1.0
    with pytest.raises(InputError, match="no pair"):
        structure_loss(CLEAN, CLEAN, mask=mask)
    assert structure_loss(CLEAN[..., :2], smooth(CLEAN[..., :2])).energy > 0


@pytest.mark.parametrize("axis", [2, None])
def test_structure_correlation_has_the_sign_of_what_happened_to_detail(axis: int | None) -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.02, seed=9)
    blurred = structure_correlation(noisy, smooth(noisy, 1.0), axis)
    sharpened = structure_correlation(noisy, 2 * CLEAN - smooth(CLEAN, 1.0), axis)
    right = structure_correlation(noisy, CLEAN, axis)
    assert blurred.value > 0.5 > 8 * blurred.standard_error
    assert sharpened.value < -0.5 < -8 * sharpened.standard_error
    assert abs(right.value) < max(4 * right.standard_error, 0.01)


def test_structure_correlation_with_neighbors_does_not_take_leftover_noise_for_anatomy() -> None:
    noisy = add_noise(torch.zeros(CLEAN.shape), "gaussian", 0.1, seed=11)
    alone, neighbors = (structure_correlation(noisy, 0.5 * noisy, axis) for axis in (None, 2))
    assert alone.value > 0.8
    assert abs(neighbors.value) < 4 * neighbors.standard_error < 0.05
    two = structure_correlation(CLEAN[..., 11:13], smooth(CLEAN[..., 11:13]), 2)
    assert two.value > 0.3


def test_structure_correlation_in_the_mask_and_of_nothing() -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.02, seed=10)
    cleaned = smooth(noisy, 1.5)
    cleaned[:, :32] = noisy[:, :32]
    mask = torch.zeros(CLEAN.shape)
    mask[:, :32] = 1.0
    assert structure_correlation(noisy, cleaned, 2, mask=mask).value == 0.0
    assert structure_correlation(noisy, cleaned, 2, mask=1.0 - mask).value > 0.3
    assert structure_correlation(torch.ones(1, 9, 9), torch.ones(1, 9, 9)).value == 0.0

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Stein's estimate against closed forms and against the true error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, median_filter

from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics import noise_gain
from monai_diffdenoise.metrics.probe import probe_response
from monai_diffdenoise.metrics.sure import poisson_gaussian_sure, sure, sure_from_response

CLEAN = make_phantom((64, 64, 4), seed=1).movedim(2, 0).double()


def gauss(width: float) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda y: torch.as_tensor(gaussian_filter(np.asarray(y), (0, width, width), mode="wrap"))


def soft(y: torch.Tensor) -> torch.Tensor:
    """Something bent: each voxel moves towards the local mean, by at most 0.1."""
    smooth = gauss(1.5)(y)
    return y - (y - smooth).clamp(-0.1, 0.1)


@pytest.mark.parametrize("share", [-0.3, 0.0, 0.4, 1.0])
def test_scaling_is_exact(share: float) -> None:
    noisy = torch.rand(1, 20, 20, dtype=torch.float64)
    found = sure(noisy, lambda y: share * y, 0.1)
    assert found.noise_gain == pytest.approx(share, abs=1e-6)
    squares = (1 - share) ** 2 * float(noisy.square().mean())
    assert found.mse == pytest.approx(squares + 0.01 * (2 * share - 1), abs=1e-6)
    assert found.gain == pytest.approx(0.01 - found.mse)
    assert found.removed == pytest.approx(squares, abs=1e-9)


@pytest.mark.parametrize("width", [0.5, 0.8, 1.5])
def test_divergence_of_a_linear_filter_is_its_trace(width: float) -> None:
    one = torch.zeros(1, 64, 64)
    one[0, 32, 32] = 1.0
    trace = float(gauss(width)(one)[0, 32, 32])
    gains = [sure(CLEAN, gauss(width), 0.1, torch.Generator().manual_seed(s)).noise_gain for s in range(10)]
    assert np.mean(gains) == pytest.approx(trace, abs=4 * np.std(gains) / math.sqrt(10) + 1e-3)
    assert np.std(gains) < 0.02


@pytest.mark.parametrize("width", [0.5, 0.8, 1.5])
def test_divergence_for_correlated_noise_counts_its_covariance(width: float) -> None:
    """tr(C J) / tr(C) of a filter is the sum of its taps times the noise's autocorrelation."""
    one = np.zeros((64, 64))
    one[32, 32] = 1.0
    shape = gaussian_filter(one, 0.8, mode="wrap")
    covariance = gaussian_filter(shape, 0.8, mode="wrap")
    expected = float((gaussian_filter(one, width, mode="wrap") * covariance).sum() / covariance[32, 32])
    gains = []
    for seed in range(10):
        white = torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(seed))
        gains.append(sure(CLEAN, gauss(width), 0.1, probe_noise=gauss(0.8)(white)).noise_gain)
    assert np.mean(gains) == pytest.approx(expected, abs=4 * np.std(gains) / math.sqrt(10) + 1e-3)


@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
@pytest.mark.parametrize("denoise", [gauss(0.5), gauss(1.5), soft, lambda y: torch.as_tensor(median_filter(y, 3))])
@pytest.mark.parametrize("structure", [0.0, 1.0])
def test_estimate_is_unbiased_and_knows_its_error(
    denoise: Callable[[torch.Tensor], torch.Tensor], kind: str, structure: float
) -> None:
    clean = structure * CLEAN
    mse, gain, mse_error, gain_error = [], [], [], []
    for seed in range(16):
        noisy = add_noise(clean, kind, 0.1, seed=seed, slice_axis=0).double()
        probe = add_noise(torch.zeros(clean.shape), kind, 1.0, seed=1000 + seed, slice_axis=0)
        found = sure(noisy, denoise, 0.1, probe_noise=probe)
        true = float((denoise(noisy) - clean).square().mean())
        mse.append(found.mse - true)
        gain.append(found.gain - float((noisy - clean).square().mean()) + true)
        mse_error.append(found.standard_error)
        gain_error.append(found.gain_error)
    for differences, told in ((mse, mse_error), (gain, gain_error)):
        scatter = np.std(differences, ddof=1)
        assert abs(np.mean(differences)) < 3.5 * scatter / 4
        # 16 draws know their scatter to 18 %
        assert 0.5 * np.mean(told) < scatter < 1.5 * np.mean(told)


def test_noise_gain_is_what_the_known_noise_says() -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.1, seed=5).double()
    found = sure(noisy, soft, 0.1)
    assert found.noise_gain == pytest.approx(noise_gain(soft(noisy), CLEAN, noisy - CLEAN), abs=0.02)


def test_white_probe_is_wrong_for_correlated_noise() -> None:
    noisy = add_noise(CLEAN, "correlated", 0.1, seed=6, slice_axis=0).double()
    true = float((gauss(1.0)(noisy) - CLEAN).square().mean())
    assert sure(noisy, gauss(1.0), 0.1).mse < 0.6 * true


def test_mask_and_sigma_map() -> None:
    sigma = torch.full(CLEAN.shape, 0.05)
    sigma[:, 32:] = 0.2
    noise = torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(7))
    noisy = CLEAN + sigma * noise
    noisy[:, :3] = math.nan

    def denoise(y: torch.Tensor) -> torch.Tensor:
        return torch.cat([y[:, :3], gauss(0.8)(y[:, 3:])], dim=1)

    for start in (3, 32):
        mask = torch.zeros(CLEAN.shape)
        mask[:, start:] = 1.0
        found = sure(noisy, denoise, sigma, mask=mask)
        true = float((denoise(noisy) - CLEAN)[:, start:].square().mean())
        assert found.mse == pytest.approx(true, abs=3 * found.standard_error)
        assert found.noise_variance == pytest.approx(float(sigma[:, start:].square().mean()))


def test_parts_and_whole_agree() -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.1, seed=8).double()
    before = soft(noisy)
    parts = sure_from_response(noisy, before, probe_response(noisy, soft, 0.1, denoised=before), 0.1)
    assert parts == sure(noisy, soft, 0.1)
    assert parts == sure(noisy, soft, 0.1, denoised=before)
    assert sure(noisy.numpy(), lambda y: soft(torch.as_tensor(y)), 0.1) == parts
    assert json.loads(json.dumps(parts.as_dict()))["gain"] == pytest.approx(parts.gain)


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(1e-4, 1e5), seed=st.integers(0, 9))
def test_units_do_not_matter(scale: float, seed: int) -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.1, seed=seed).double()
    one, two = (sure(k * noisy, gauss(0.8), k * 0.1) for k in (1.0, scale))
    assert two.mse / scale**2 == pytest.approx(one.mse, rel=1e-3)
    assert two.noise_gain == pytest.approx(one.noise_gain, rel=1e-3)


def poisson_gaussian(a: float, b: float, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(CLEAN.numpy() / a) if a else CLEAN.numpy()
    return torch.as_tensor((a or 1.0) * counts + math.sqrt(b) * rng.standard_normal(CLEAN.shape))


@pytest.mark.parametrize(("a", "b"), [(0.02, 0.0), (0.01, 0.004), (0.0, 0.01)])
def test_poisson_gaussian_is_unbiased(a: float, b: float) -> None:
    differences = []
    for seed in range(12):
        noisy = poisson_gaussian(a, b, seed)
        found = poisson_gaussian_sure(noisy, soft, a, b, torch.Generator().manual_seed(seed))
        differences.append(found.mse - float((soft(noisy) - CLEAN).square().mean()))
        assert found.noise_variance == pytest.approx(a * float(CLEAN.mean()) + b, rel=0.05)
    assert abs(np.mean(differences)) < 3.5 * np.std(differences, ddof=1) / math.sqrt(12) + 2e-5


def test_gaussian_form_is_biased_by_signal_dependence_and_the_other_is_not() -> None:
    """A denoiser that smooths the bright half only removes more noise than a single sigma says."""

    def denoise(y: torch.Tensor) -> torch.Tensor:
        smooth = gauss(0.8)(y)
        return torch.where(smooth > 0.5, smooth, y)

    noisy = poisson_gaussian(0.05, 0.0, 3)
    true = float((denoise(noisy) - CLEAN).square().mean())
    plain = sure(noisy, denoise, math.sqrt(0.05 * float(CLEAN.mean())))
    right = poisson_gaussian_sure(noisy, denoise, 0.05, 0.0)
    assert abs(right.mse - true) < 4 * right.standard_error
    assert abs(plain.mse - true) > 2 * abs(right.mse - true)


def test_second_order_term_is_exact_for_a_parabola() -> None:
    """f = k y^2: what is missing to first order is (a^2 y + 2 a b) 2 k."""
    a, b, k = 0.2, 0.01, 0.8
    short, full, true = [], [], []
    for seed in range(8):
        noisy = poisson_gaussian(a, b, seed)
        for store, second in ((short, False), (full, True)):
            generator = torch.Generator().manual_seed(seed)
            store.append(
                poisson_gaussian_sure(noisy, lambda y: k * y**2, a, b, generator, 1e-3, second_order=second).mse
            )
        true.append(float((k * noisy**2 - CLEAN).square().mean()))
    missing = 2 * k * (a**2 * float(CLEAN.mean()) + 2 * a * b)
    error = np.std(np.subtract(full, true), ddof=1) / math.sqrt(8)
    assert np.mean(np.subtract(full, true)) == pytest.approx(0.0, abs=3.5 * error)
    assert np.mean(np.subtract(short, true)) == pytest.approx(missing, abs=3.5 * error)
    assert missing > 5 * error


@pytest.mark.parametrize(("a", "b"), [(-0.1, 0.1), (0.0, 0.0), (math.nan, 0.1)])
def test_refuses_impossible_noise(a: float, b: float) -> None:
    with pytest.raises(InputError, match="expected numbers of at least 0"):
        poisson_gaussian_sure(CLEAN, lambda y: y, a, b)


def test_refuses_an_image_below_zero_counts_and_nan() -> None:
    with pytest.raises(InputError, match="variance is not above 0"):
        poisson_gaussian_sure(CLEAN - 5.0, lambda y: y, 0.1, 0.0)
    with pytest.raises(InputError, match="NaN"):
        sure(CLEAN * math.nan, lambda y: y, 0.1)

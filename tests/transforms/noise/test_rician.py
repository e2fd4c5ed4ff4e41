# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Magnitude noise, with MONAI's own and scipy's distributions as witnesses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.transforms import RandRicianNoise
from scipy import stats

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise import EdgeToCenter, GaussianKernel, NoncentralChiNoise, RicianNoise


def draw(noise: RicianNoise | NoncentralChiNoise, signal: float, count: int = 40000, seed: int = 0) -> np.ndarray:
    return noise.sample(torch.full((1, count), signal), torch.Generator().manual_seed(seed))[0].double().numpy()


@pytest.mark.parametrize("signal", [0.0, 0.05, 0.1, 0.5, -0.1])
def test_rician_distribution(signal: float) -> None:
    assert stats.kstest(draw(RicianNoise(0.1), signal), stats.rice(abs(signal) / 0.1, scale=0.1).cdf).pvalue > 0.001


@pytest.mark.parametrize("coils", [1, 2, 8])
@pytest.mark.parametrize("signal", [0.0, 0.2, 1.0])
def test_noncentral_chi_distribution(coils: int, signal: float) -> None:
    square = (draw(NoncentralChiNoise(0.1, coils), signal) / 0.1) ** 2
    expected = stats.ncx2(2 * coils, (signal / 0.1) ** 2) if signal else stats.chi2(2 * coils)
    assert stats.kstest(square, expected.cdf).pvalue > 0.001


@pytest.mark.parametrize("signal", [0.0, 0.1, 0.5])
def test_distribution_is_that_of_monai(signal: float) -> None:
    clean = torch.full((1, 200, 200), signal)
    theirs = RandRicianNoise(prob=1.0, std=0.1, sample_std=False).set_random_state(0)(clean)
    ours = draw(RicianNoise(0.1), signal)
    assert stats.ks_2samp(ours, theirs.flatten().numpy()).pvalue > 0.001


def test_one_coil_is_rician_to_the_bit() -> None:
    assert np.array_equal(draw(RicianNoise(0.1), 0.2), draw(NoncentralChiNoise(0.1, 1), 0.2))
    clean = torch.rand(1, 9)
    assert torch.equal(RicianNoise(0.1).variance(clean), NoncentralChiNoise(0.1, 1).variance(clean))


@pytest.mark.parametrize("noise", [RicianNoise(EdgeToCenter(0.2)), NoncentralChiNoise(EdgeToCenter(0.2), 3)])
def test_moments_where_the_level_varies(noise: RicianNoise, moment_z) -> None:
    for signal in (0.0, 0.3):
        assert max(map(abs, moment_z(noise, signal, seed=1))) < 4


@pytest.mark.parametrize("signal", [0.0, 1.0])
def test_moments_of_correlated_magnitudes(signal: float, moment_z) -> None:
    assert max(map(abs, moment_z(RicianNoise(0.1, GaussianKernel(0.8)), signal))) < 4


def test_correlation_with_signal_is_that_of_the_parts_and_without_near_its_square() -> None:
    texture = GaussianKernel(0.8)
    noise, stated = RicianNoise(0.1, texture), texture.autocorrelation((1, 0))
    assert noise.autocorrelation((1, 0)) == stated
    for signal, expected in ((2.0, stated), (0.0, stated**2)):
        clean = torch.full((40, 60, 60), signal)
        noisy = noise.sample(clean, torch.Generator().manual_seed(0)) - noise.mean(clean)
        lag1 = (noisy[:, 1:] * noisy[:, :-1]).mean() / noise.variance(clean).mean()
        assert float(lag1) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("coils", [0, -1, 1.5])
def test_coils_that_cannot_be_are_refused(coils: float) -> None:
    with pytest.raises(InputError, match="coils"):
        NoncentralChiNoise(0.1, coils)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", [RicianNoise, NoncentralChiNoise])
def test_sigma_that_cannot_be_is_refused(model: type) -> None:
    with pytest.raises(InputError, match="sigma nan"):
        model(math.nan)

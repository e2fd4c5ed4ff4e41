# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Mean and variance of magnitudes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import gammaln

from monai_diffdenoise.transforms.noise.chi_moments import chi_mean, chi_variance


def tensor(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def mixture_mean(ratio: float, coils: int) -> float:
    """The same number by another way: a noncentral chi square is a Poisson mixture of central ones."""
    rate = ratio**2 / 2
    count = np.arange(math.ceil(rate + 14 * math.sqrt(rate) + 60))
    weight = stats.poisson(rate).pmf(count)
    return float(math.sqrt(2) * (weight * np.exp(gammaln(coils + count + 0.5) - gammaln(coils + count))).sum())


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 60), st.integers(1, 64))
def test_moments_equal_the_poisson_mixture(ratio: float, coils: int) -> None:
    expected = mixture_mean(ratio, coils)
    assert float(chi_mean(tensor(ratio), tensor(1.0), coils)) == pytest.approx(expected, rel=1e-10)
    spread = ratio**2 + 2 * coils - expected**2
    assert float(chi_variance(tensor(ratio), tensor(1.0), coils)) == pytest.approx(spread, abs=1e-7)


def test_rayleigh_moments_without_signal() -> None:
    assert float(chi_mean(tensor(0.0), tensor(2.0))) == pytest.approx(2 * math.sqrt(math.pi / 2), rel=1e-12)
    assert float(chi_variance(tensor(0.0), tensor(2.0))) == pytest.approx(4 * (2 - math.pi / 2), rel=1e-12)


@pytest.mark.parametrize("coils", [1, 4, 32])
def test_no_step_where_the_series_takes_over(coils: int) -> None:
    edge = math.sqrt(2 * (50 * coils + 400))
    below, above = (chi_variance(tensor(edge * (1 + step)), tensor(1.0), coils) for step in (-1e-9, 1e-9))
    assert float(below) == pytest.approx(float(above), abs=2e-10)


@pytest.mark.parametrize("ratio", [1e3, 1e6, 1e12])
def test_variance_keeps_its_digits_at_any_signal(ratio: float) -> None:
    lost = 1 - float(chi_variance(tensor(ratio), tensor(1.0), 4))
    assert lost == pytest.approx(3.5 / ratio**2, rel=1e-3, abs=1e-15)


@given(st.floats(1e-6, 1e6), st.floats(-20, 20))
def test_moments_follow_the_unit_and_ignore_the_sign(unit: float, ratio: float) -> None:
    signal, sigma = tensor(ratio * unit), tensor(unit)
    assert float(chi_mean(signal, sigma)) == pytest.approx(unit * mixture_mean(abs(ratio), 1), rel=1e-8)
    assert float(chi_variance(signal, sigma)) == pytest.approx(
        unit**2 * float(chi_variance(tensor(-ratio), tensor(1.0))), rel=1e-8
    )


def test_maps_broadcast_and_no_noise_is_no_noise() -> None:
    signal, sigma = torch.tensor([[-3.0, 0.0, 2.0]]), torch.tensor([[0.0], [1.0]])
    mean, variance = chi_mean(signal, sigma), chi_variance(signal, sigma)
    assert mean.shape == variance.shape == (2, 3)
    assert mean[0].tolist() == [3.0, 0.0, 2.0]
    assert variance[0].tolist() == [0.0, 0.0, 0.0]
    assert float(mean[1, 2]) == pytest.approx(mixture_mean(2.0, 1), rel=1e-10)


def test_large_maps_are_those_of_their_voxels() -> None:
    signal = torch.linspace(0, 50, 40001, dtype=torch.float64)
    whole = chi_variance(signal, tensor(1.0), 2)
    for index in (0, 16383, 16384, 30000, 40000):
        assert float(whole[index]) == pytest.approx(float(chi_variance(signal[index], tensor(1.0), 2)), abs=1e-10)


def test_what_is_not_a_number_stays_so_and_spoils_nothing() -> None:
    mean = chi_mean(torch.tensor([math.nan, math.inf, 2.0]), tensor(1.0))
    assert not bool(torch.isfinite(mean[:2]).any())
    assert float(mean[2]) == pytest.approx(mixture_mean(2.0, 1), rel=1e-10)

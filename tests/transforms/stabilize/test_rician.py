# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Rician and noncentral chi noise: no bias after the round trip, strength near 1, and what happens at no signal."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.stabilize import RicianStabilizer


def moments(stabilizer: RicianStabilizer, signal: float) -> tuple[float, float]:
    """Mean and standard deviation after the transform; signal in sigma; by a sum over scipy's distribution."""
    center = math.sqrt(signal**2 + 2 * stabilizer.coils)
    magnitude = np.linspace(max(0.0, center - 10), center + 10, 40001)
    if stabilizer.coils == 1:
        probability = stats.rice.pdf(magnitude, signal)
    else:
        probability = 2 * magnitude * stats.ncx2.pdf(magnitude**2, 2 * stabilizer.coils, max(signal, 1e-9) ** 2)
    probability = np.nan_to_num(probability) / np.nansum(probability)
    stabilized = stabilizer.forward(torch.from_numpy(magnitude * stabilizer.sigma)).numpy()
    mean = float((probability * stabilized).sum())
    return mean, math.sqrt((probability * (stabilized - mean) ** 2).sum())


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-3, 1e3), st.sampled_from([1, 1, 1, 2, 4, 8, 32, 64]), st.floats(0.05, 30))
def test_round_trip_has_no_bias(sigma: float, coils: int, signal: float) -> None:
    stabilizer = RicianStabilizer(sigma, coils)
    mean, _ = moments(stabilizer, signal)
    got = float(stabilizer.inverse(torch.tensor([mean], dtype=torch.float64))) / sigma
    assert got == pytest.approx(signal, abs=3e-4)


@pytest.mark.parametrize("signal", [100.0, 300.0, 5000.0])
@pytest.mark.parametrize("coils", [1, 8, 64])
def test_beyond_the_table_the_bias_stays_small(coils: int, signal: float) -> None:
    # along the signal a Gaussian, across it a chi-squared distribution, by its quantiles
    t = np.linspace(-9, 9, 301)
    p = stats.norm.pdf(t) / stats.norm.pdf(t).sum()
    transverse = stats.chi2.ppf((np.arange(1000) + 0.5) / 1000, 2 * coils - 1)
    magnitude = np.sqrt((signal + t[:, None]) ** 2 + transverse)
    stabilizer = RicianStabilizer(1.0, coils)
    mean = (p[:, None] * stabilizer.forward(torch.from_numpy(magnitude)).numpy()).sum() / 1000
    assert float(stabilizer.inverse(torch.tensor([mean], dtype=torch.float64))) == pytest.approx(signal, abs=2e-3)


@pytest.mark.parametrize(
    ("coils", "lowest", "highest"), [(1, 0.952, 1.033), (2, 0.973, 1.021), (4, 0.985, 1.012), (16, 0.995, 1.005)]
)
def test_noise_has_strength_1_at_every_signal(coils: int, lowest: float, highest: float) -> None:
    deviations = [moments(RicianStabilizer(7.0, coils), signal)[1] for signal in np.linspace(0, 20, 21)]
    assert lowest <= min(deviations) and max(deviations) <= highest
    assert deviations[-1] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("coils", [1, 8])
def test_no_signal_is_the_floor_and_all_below_it(coils: int) -> None:
    stabilizer = RicianStabilizer(2.0, coils)
    floor, _ = moments(stabilizer, 0.0)
    below = torch.tensor([-5.0, 0.0, floor - 1, floor - 1e-6], dtype=torch.float64)
    assert stabilizer.inverse(below).tolist() == [0.0] * 4
    assert float(stabilizer.inverse(torch.tensor([floor], dtype=torch.float64))) == pytest.approx(0, abs=1e-3)


def test_above_the_floor_the_signal_is_a_root_of_the_error() -> None:
    stabilizer = RicianStabilizer(1.0)
    floor, _ = moments(stabilizer, 0.0)
    errors = torch.tensor([1e-4, 4e-4, 1e-2], dtype=torch.float64)
    assert torch.allclose(stabilizer.inverse(floor + errors), 1.54 * errors.sqrt(), rtol=5e-3)


def test_forward_is_linear_for_negative_magnitudes_and_scales_with_sigma() -> None:
    values = torch.tensor([-6.0, -4.0, -2.0, 0.0], dtype=torch.float64)
    steps = RicianStabilizer(2.0).forward(values).diff()
    assert torch.allclose(steps, steps[:1].expand(3))
    assert torch.allclose(RicianStabilizer(2.0).forward(2 * values), RicianStabilizer(1.0).forward(values))


@pytest.mark.parametrize(
    ("sigma", "coils", "message"),
    [
        (0.0, 1, "sigma=0.0; expected a number above 0"),
        (float("nan"), 1, "sigma=nan"),
        (1.0, 0, "coils=0; expected a number from 1 to 64"),
        (1.0, 65, "coils=65"),
        (1.0, 1.5, "coils=1.5; expected a whole number"),
    ],
)
def test_impossible_parameters_are_refused(sigma: float, coils: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        RicianStabilizer(sigma, coils)

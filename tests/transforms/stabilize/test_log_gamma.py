# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Speckle: no bias after the round trip, with zeros and weak signals; closed form far above the floor."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.stabilize import LogGammaStabilizer


def moments(stabilizer: LogGammaStabilizer, signal: float) -> tuple[float, float]:
    """Mean and standard deviation after the transform, by a sum over log g."""
    looks = stabilizer.looks
    low, high = special.gammaincinv(looks, 1e-13), special.gammainccinv(looks, 1e-15)
    log = np.linspace(math.log(low / looks), math.log(high / looks), 40001)
    probability = np.exp(looks * (log - np.expm1(log)))
    probability /= probability.sum()
    stabilized = stabilizer.forward(torch.from_numpy(signal * np.exp(log))).numpy()
    mean = float((probability * stabilized).sum())
    return mean, math.sqrt((probability * (stabilized - mean) ** 2).sum())


@settings(max_examples=60, deadline=None)
@given(st.floats(0.7, 500), st.floats(1e-3, 1e3), st.floats(-6, 25))
def test_round_trip_has_no_bias(looks: float, floor: float, log_ratio: float) -> None:
    stabilizer = LogGammaStabilizer(looks, floor)
    signal = floor * math.exp(log_ratio)
    mean, _ = moments(stabilizer, signal)
    got = float(stabilizer.inverse(torch.tensor([mean], dtype=torch.float64)))
    assert abs(got - signal) <= 1e-4 * signal / math.sqrt(looks)


@pytest.mark.parametrize("looks", [0.5, 1.0, 4.0, 50.0])
def test_far_above_the_floor_the_inverse_is_the_closed_form(looks: float) -> None:
    stabilizer = LogGammaStabilizer(looks, 0.5)
    z = torch.linspace(60, 90, 7, dtype=torch.float64) / math.sqrt(special.polygamma(1, looks))
    logarithm = z.numpy() * math.sqrt(special.polygamma(1, looks))
    expected = 0.5 * np.exp(logarithm - 1 - special.digamma(looks) + math.log(looks))
    assert np.allclose(stabilizer.inverse(z).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize(("looks", "ratio", "lowest"), [(1.0, 300.0, 0.99), (4.0, 10.0, 0.995), (30.0, 3.0, 0.999)])
def test_noise_has_strength_1_far_above_the_floor(looks: float, ratio: float, lowest: float) -> None:
    stabilizer = LogGammaStabilizer(looks, 2.0)
    for more in (1, 10, 1000):
        assert lowest < moments(stabilizer, 2 * ratio * more)[1] < 1.0005


def test_no_signal_has_no_noise_and_returns() -> None:
    stabilizer = LogGammaStabilizer(3, 0.1)
    assert moments(stabilizer, 0.0) == (0.0, 0.0)
    assert stabilizer.inverse(torch.zeros(1)).tolist() == [0.0]


def test_negative_values_come_back_on_the_line() -> None:
    stabilizer = LogGammaStabilizer(3, 0.1)
    values = torch.tensor([-7.0, -0.02], dtype=torch.float64)
    assert torch.allclose(stabilizer.inverse(stabilizer.forward(values)), values)


def test_curve_is_a_line_below_the_floor_and_a_logarithm_above() -> None:
    stabilizer = LogGammaStabilizer(1, 2.0)
    values = torch.tensor([-4.0, 0.0, 1.0, 2.0, 2 * math.e, 2 * math.e**5], dtype=torch.float64)
    scale = math.pi / math.sqrt(6)
    assert torch.allclose(stabilizer.forward(values) * scale, torch.tensor([-2.0, 0.0, 0.5, 1.0, 2.0, 6.0]).double())


@pytest.mark.parametrize(
    ("looks", "floor", "message"),
    [
        (0.1, 1.0, "looks=0.1; expected a number from 0.5 to 10000"),
        (1e5, 1.0, "looks"),
        (float("nan"), 1.0, "looks=nan"),
        (1.0, 0.0, "floor=0.0; expected a number above 0"),
        (1.0, -1.0, "floor"),
    ],
)
def test_impossible_parameters_are_refused(looks: float, floor: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LogGammaStabilizer(looks, floor)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Poisson-Gaussian noise: no bias after the round trip, strength near 1, as published where both apply."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.stabilize import AnscombeStabilizer


def distribution(rate: float, s: float) -> tuple[np.ndarray, np.ndarray]:
    """Values and probabilities of k + n, k ~ Poisson(rate), n ~ N(0, s^2)."""
    reach = 12 * math.sqrt(rate) + 30
    k = np.arange(max(0, int(rate - reach)), int(rate + reach))
    t = np.linspace(-9, 9, 2001) if s else np.zeros(1)
    probability = stats.poisson.pmf(k, rate)[:, None] * stats.norm.pdf(t)
    return k[:, None] + s * t, probability / probability.sum()


def moments(stabilizer: AnscombeStabilizer, rate: float) -> tuple[float, float]:
    """Mean and standard deviation after the transform, by a sum over the distribution."""
    events, probability = distribution(rate, stabilizer.sigma / stabilizer.gain)
    values = torch.from_numpy(events * stabilizer.gain + stabilizer.offset)
    stabilized = stabilizer.forward(values).numpy()
    mean = float((probability * stabilized).sum())
    return mean, math.sqrt((probability * (stabilized - mean) ** 2).sum())


@settings(max_examples=60, deadline=None)
@given(
    st.floats(1e-3, 1e3),
    st.floats(-1e3, 1e3),
    st.one_of(st.just(0.0), st.floats(1e-3, 50)),
    st.one_of(st.floats(0, 3), st.floats(3, 2000)),
)
def test_round_trip_has_no_bias(gain: float, offset: float, s: float, rate: float) -> None:
    stabilizer = AnscombeStabilizer(gain, offset, s * gain)
    signal = gain * rate + offset
    deviation = gain * math.sqrt(rate + s * s)
    mean, _ = moments(stabilizer, rate)
    got = float(stabilizer.inverse(torch.tensor([mean], dtype=torch.float64)))
    assert abs(got - signal) <= 1e-5 * deviation + 1e-9 * (abs(offset) + gain)


def test_algebraic_inverse_is_biased_where_the_unbiased_is_not() -> None:
    stabilizer = AnscombeStabilizer()
    mean, _ = moments(stabilizer, 2.0)
    mean = torch.tensor([mean], dtype=torch.float64)
    assert float(stabilizer.algebraic_inverse(mean)) == pytest.approx(1.78, abs=0.02)
    assert float(stabilizer.inverse(mean)) == pytest.approx(2, abs=1e-6)


@pytest.mark.parametrize(
    ("s", "lowest", "highest"),
    [(0.0, 0.96, 1.01), (0.3, 0.98, 1.01), (0.6, 1.0, 1.03), (1.0, 1.0, 1.04), (3.0, 1.0, 1.022), (30.0, 1.0, 1.001)],
)
def test_noise_has_strength_1_from_2_events_on(s: float, lowest: float, highest: float) -> None:
    stabilizer = AnscombeStabilizer(2.0, 5.0, 2 * s)
    for rate in (2, 3, 5, 10, 30, 300):
        assert lowest - 1e-3 <= moments(stabilizer, rate)[1] <= highest + 1e-3


@pytest.mark.parametrize(("s", "deviation"), [(0.0, 0.0), (0.3, 0.485), (0.6, 0.850), (1.0, 0.963), (3.0, 1.021)])
def test_strength_without_events(s: float, deviation: float) -> None:
    assert moments(AnscombeStabilizer(1.0, 0.0, s), 0.0)[1] == pytest.approx(deviation, abs=1e-3)


@given(st.floats(0, 1e4), st.floats(0, 20))
def test_forward_is_the_published_transform_less_a_constant(events: float, s: float) -> None:
    c = 3 / 8 + s * s
    got = AnscombeStabilizer(1.0, 0.0, s).forward(torch.tensor([events], dtype=torch.float64))
    assert float(got) == pytest.approx(2 * math.sqrt(events + c) - 2 * math.sqrt(c), abs=1e-9)


def test_inverse_agrees_with_the_published_approximation() -> None:
    # Makitalo and Foi 2013, for their D = z + 2 sqrt(3/8 + s^2); they state a fit, good to some hundredths of an event
    for s in (0.0, 1.0, 5.0):
        z = torch.linspace(1, 60, 200, dtype=torch.float64)
        d = z + 2 * math.sqrt(3 / 8 + s * s)
        root = math.sqrt(3 / 2)
        published = d**2 / 4 + root / 4 / d - 11 / 8 / d**2 + 5 / 8 * root / d**3 - 1 / 8 - s * s
        assert torch.allclose(AnscombeStabilizer(1.0, 0.0, s).inverse(z), published, atol=0.06, rtol=1e-4)


def test_small_gain_is_the_gaussian_limit() -> None:
    image = torch.linspace(-30, 30, 61, dtype=torch.float64)
    stabilizer = AnscombeStabilizer(1e-5, 3.0, 4.0)
    assert torch.allclose(stabilizer.forward(image), (image - 3) / 4, rtol=1e-4, atol=1e-5)
    assert torch.allclose(stabilizer.inverse(stabilizer.forward(image)), image, atol=1e-3)


def test_below_the_root_the_curve_is_its_tangent() -> None:
    stabilizer = AnscombeStabilizer()
    events = torch.tensor([-3.0, -2.0, -1.0, -3 / 16], dtype=torch.float64)
    assert torch.allclose(
        stabilizer.forward(events).diff() / events.diff(), torch.full((3,), 1 / math.sqrt(3 / 16)).double()
    )


def test_inverse_goes_on_below_the_offset_without_a_jump() -> None:
    for s in (0.0, 0.5, 20.0):
        stabilizer = AnscombeStabilizer(2.0, 100.0, 2 * s)
        floor, _ = moments(stabilizer, 0.0)
        got = stabilizer.inverse(torch.tensor([floor - 1, floor - 1e-7, floor, floor + 1e-7], dtype=torch.float64))
        assert got[1:].tolist() == pytest.approx([100, 100, 100], abs=1e-3)
        assert got[0] < 100 - 0.8


def test_from_variance_gives_the_variance_back() -> None:
    for slope, intercept in ((2.0, 9.0), (0.5, 0.0), (3.0, -12.0)):
        stabilizer = AnscombeStabilizer.from_variance(slope, intercept)
        for x in (5.0, 50.0):
            assert stabilizer.gain * (x - stabilizer.offset) + stabilizer.sigma**2 == pytest.approx(
                slope * x + intercept
            )
    assert AnscombeStabilizer.from_variance(3.0, -12.0) == AnscombeStabilizer(3.0, 4.0, 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gain": 0}, "gain=0; expected a number above 0"),
        ({"gain": -2.0}, "gain=-2.0"),
        ({"gain": True}, "gain=True"),
        ({"gain": "2"}, "gain='2'"),
        ({"sigma": -1}, "sigma=-1; expected a number from 0"),
        ({"sigma": float("inf")}, "sigma=inf"),
        ({"offset": float("nan")}, "offset=nan; expected a number that is finite"),
        ({"gain": 1e-9, "sigma": 1.0}, "this noise is Gaussian"),
    ],
)
def test_impossible_parameters_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        AnscombeStabilizer(**arguments)


@pytest.mark.parametrize(("slope", "intercept"), [(0.0, 1.0), (-1.0, 5.0), (1.0, float("nan"))])
def test_impossible_variances_are_refused(slope: float, intercept: float) -> None:
    with pytest.raises(InputError, match="expected a number"):
        AnscombeStabilizer.from_variance(slope, intercept)

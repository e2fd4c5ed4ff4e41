# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The curve for magnitudes: smooth, increasing, asymptotic; its density against scipy."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from monai_diffdenoise.transforms.stabilize import magnitude_curve as module
from monai_diffdenoise.transforms.stabilize.expectation import poisson_mean
from monai_diffdenoise.transforms.stabilize.magnitude_curve import MagnitudeCurve, chi_nodes, magnitude_curve


@pytest.mark.parametrize("coils", [1, 3, 64])
def test_nodes_integrate_the_noncentral_chi_distribution(coils: int) -> None:
    nodes, chi = chi_nodes(coils, 15.0)
    signals = torch.tensor([0.0, 0.2, 3.0, 15.0], dtype=torch.float64)
    density, _ = poisson_mean(chi, signals**2 / 2)
    assert torch.allclose(density.sum(1), torch.ones(4).double(), rtol=1e-10)
    assert torch.allclose(density @ nodes**2, signals**2 + 2 * coils, rtol=1e-10)
    variance = density @ nodes**4 - (density @ nodes**2) ** 2
    expected = [stats.ncx2.var(2 * coils, max(signal, 1e-9) ** 2) for signal in signals.tolist()]
    assert variance.tolist() == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("signal", [0.0, 0.7, 4.0])
def test_mean_magnitude_is_that_of_scipy(signal: float) -> None:
    nodes, chi = chi_nodes(1, 4.0)
    density, _ = poisson_mean(chi, torch.tensor([signal], dtype=torch.float64) ** 2 / 2)
    assert float(density @ nodes) == pytest.approx(stats.rice.mean(signal), rel=1e-9)


@pytest.mark.parametrize("coils", [1, 2, 16, 64])
def test_curve_is_smooth_and_ends_in_its_asymptote(coils: int) -> None:
    curve = magnitude_curve(coils)
    end = float(curve.spline.knots[-1])
    points = torch.linspace(-2, end + 5, 20001, dtype=torch.float64)
    slopes = curve(points).diff() / points.diff()
    assert (slopes > 0.5).all() and (slopes < 3).all()
    assert slopes.diff().abs().max() < 0.01
    far = torch.tensor([500.0], dtype=torch.float64)
    assert float(curve(far)) == pytest.approx(500 + curve.shift - (2 * coils - 1) / 2000, abs=1e-4)


def test_spline_rises_by_the_mean_of_its_slopes() -> None:
    spline = magnitude_curve(1).spline
    expected = (spline.slopes[1:] + spline.slopes[:-1]) / 2 * spline.knots.diff()
    assert torch.allclose(spline.values.diff(), expected)
    assert spline.values[0] == 0


def test_curve_is_the_same_every_time() -> None:
    first = magnitude_curve(2)
    magnitude_curve.cache_clear()
    assert torch.equal(first.spline.slopes, magnitude_curve(2).spline.slopes)


def test_curve_leaves_the_classical_one_only_where_signal_is_weak() -> None:
    points = torch.linspace(4, 9, 11, dtype=torch.float64)
    classical = torch.sqrt(points**2 - 0.5)
    assert torch.allclose(magnitude_curve(1)(points) - magnitude_curve(1).shift, classical, atol=0.05)
    assert math.isclose(float(magnitude_curve(1).spline.slopes[0]), 2.41, abs_tol=0.02)


def deviation_without_signal(curve: MagnitudeCurve) -> float:
    nodes, chi = chi_nodes(1, 0.0)
    values = curve(nodes)
    mean = chi[0] @ values
    return float((chi[0] @ values**2 - mean**2).sqrt())


@pytest.mark.parametrize(("smoothness", "deviation"), [(0.01, 0.953), (0.001, 0.973)])
def test_smoothness_is_paid_with_deviation(
    smoothness: float, deviation: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SMOOTHNESS", smoothness)
    assert deviation_without_signal(magnitude_curve.__wrapped__(1)) == pytest.approx(deviation, abs=0.001)


def test_fit_improves_on_the_classical_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_least_squares", lambda start, *rest: start)
    assert deviation_without_signal(magnitude_curve.__wrapped__(1)) == pytest.approx(0.88, abs=0.003)

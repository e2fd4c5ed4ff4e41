# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Curves through tables: exact where they can be, continued by straight lines."""

from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.transforms.stabilize.curve import TableCurve


@pytest.fixture
def cubic() -> TableCurve:
    """x^3 + x on uneven knots: one cubic on every interval, so interpolation is exact."""
    knots = torch.tensor([-1.0, -0.2, 0.5, 2.0], dtype=torch.float64)
    return TableCurve(knots, knots**3 + knots, 3 * knots**2 + 1)


def test_curve_is_exact_for_cubics(cubic: TableCurve) -> None:
    points = torch.linspace(-1, 2, 301, dtype=torch.float64).view(7, 43)
    assert torch.allclose(cubic(points), points**3 + points, atol=1e-12)


def test_curve_goes_on_in_straight_lines(cubic: TableCurve) -> None:
    points = torch.tensor([-3.0, -1.0, 2.0, 1e9], dtype=torch.float64)
    expected = torch.tensor([-2.0 - 2 * 4, -2.0, 10.0, 10 + 13 * (1e9 - 2)], dtype=torch.float64)
    assert torch.allclose(cubic(points), expected)


def test_interval_is_valid_for_every_point(cubic: TableCurve) -> None:
    points = torch.tensor([float("-inf"), -1.0, -0.2, 0.4999, 2.0, float("inf"), float("nan")], dtype=torch.float64)
    assert TableCurve.interval(cubic.knots, points).tolist() == [0, 0, 1, 1, 2, 2, 2]


def test_curve_can_be_differentiated_everywhere(cubic: TableCurve) -> None:
    points = torch.tensor([-2.0, -1.0, -0.2, 0.1, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(cubic(points).sum(), points)
    assert torch.allclose(slope, 3 * points.detach().clamp(-1, 2) ** 2 + 1)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Numerical integration, against closed forms and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from monai_diffdenoise.transforms.stabilize.expectation import gauss_legendre, poisson_mean, poisson_terms


def test_gauss_legendre_is_exact_for_polynomials_on_each_interval() -> None:
    low, high = torch.tensor([0.0, -1.0, 2.0]).double(), torch.tensor([1.0, 3.0, 2.0]).double()
    nodes, weights = gauss_legendre(low, high, 3)
    assert nodes.shape == weights.shape == (3, 3)
    assert torch.allclose((weights * nodes**5).sum(1), (high**6 - low**6) / 6)
    assert torch.equal(weights[2], torch.zeros(3).double())


@pytest.mark.parametrize("rate", [0.0, 0.01, 3.0, 400.0, 8000.0])
def test_terms_hold_the_mass(rate: float) -> None:
    assert stats.poisson.sf(poisson_terms(rate) - 1, rate) < 1e-15


def test_poisson_mean_of_powers() -> None:
    rates = torch.tensor([0.0, 0.3, 5.0, 60.0]).double()
    k = torch.arange(poisson_terms(60.0) + 1).double()
    mean, slope = poisson_mean(torch.stack([k, k**2], 1), rates)
    assert torch.allclose(mean, torch.stack([rates, rates + rates**2], 1))
    assert torch.allclose(slope, torch.stack([torch.ones(4).double(), 1 + 2 * rates], 1))


def test_poisson_mean_of_a_root_agrees_with_scipy() -> None:
    k = torch.arange(poisson_terms(25.0) + 1).double()
    mean, _ = poisson_mean(k.sqrt(), torch.tensor([7.5, 25.0]).double())
    assert mean.tolist() == pytest.approx([stats.poisson(rate).expect(np.sqrt) for rate in (7.5, 25.0)], rel=1e-10)

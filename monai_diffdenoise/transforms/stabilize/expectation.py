# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Expectations by numerical integration, in float64."""

from __future__ import annotations

import math

import numpy as np
import torch

__all__ = ["gauss_legendre", "poisson_mean", "poisson_terms"]

_REACH = 10.0


def gauss_legendre(low: torch.Tensor, high: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes and weights on intervals.

    Args:
        low: (P,) float64 lower ends.
        high: (P,) upper ends; an interval of no length gets weights of 0.
        count: nodes an interval.

    Returns:
        Nodes and weights, each (P, count).
    """
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(count))
    half = (high - low)[:, None] / 2
    return low[:, None] + half * (1 + nodes), half * weights


def poisson_terms(rate: float) -> int:
    """How many terms, from 0 on, hold the mass of a Poisson distribution up to this rate."""
    return math.ceil(rate + _REACH * math.sqrt(rate) + 40)


def poisson_mean(values: torch.Tensor, rates: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """E[v(k)] for k ~ Poisson(rate), and its derivative by the rate, which is E[v(k + 1) - v(k)].

    Args:
        values: v(0), v(1), ...; (J + 1,) or (J + 1, Q), with J at least :func:`poisson_terms` of the highest rate.
        rates: (R,) float64, 0 or above.

    Returns:
        Mean and derivative, each (R,) or (R, Q).
    """
    k = torch.arange(len(values) - 1, dtype=torch.float64)
    weights = torch.exp(torch.xlogy(k, rates[:, None]) - rates[:, None] - torch.lgamma(k + 1))
    return weights @ values[:-1], weights @ values.diff(dim=0)

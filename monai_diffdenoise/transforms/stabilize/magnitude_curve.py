# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The curve that stabilizes noncentral chi noise of unit sigma: found numerically, kept as a table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from monai_diffdenoise.transforms.stabilize.curve import TableCurve
from monai_diffdenoise.transforms.stabilize.expectation import gauss_legendre, poisson_mean, poisson_terms

__all__ = ["MagnitudeCurve", "chi_nodes", "magnitude_curve"]

_STEP = 0.5
# Weight of the smoothness. Smaller values bring the deviation nearer to 1 at weak signal (0.03 rather than 0.05 at a
# tenth), with a steeper curve near 0 and a more skewed result.
_SMOOTHNESS = 0.01
_REACH = 9.0


@dataclass(frozen=True, eq=False)
class MagnitudeCurve:
    """f(m): a quadratic spline up to the last knot, then sqrt(m^2 - tail) plus a constant; a straight line below 0.

    Args:
        spline: f at the knots, with its slopes; the rise over each interval is the mean of the slopes at its ends.
        tail: (2 coils - 1) / 2.
    """

    spline: TableCurve
    tail: float

    @property
    def shift(self) -> float:
        """f(m) - m for m without end."""
        end = float(self.spline.knots[-1])
        return float(self.spline.values[-1]) - math.sqrt(end * end - self.tail)

    def __call__(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Evaluate at float64 magnitudes of any shape."""
        end = float(self.spline.knots[-1])
        beyond = magnitude.clamp(min=end)
        rise = torch.sqrt(beyond**2 - self.tail) - math.sqrt(end**2 - self.tail)
        return self.spline(magnitude - (beyond - end)) + rise

    def invert(self, stabilized: torch.Tensor) -> torch.Tensor:
        """The magnitude that f takes to this."""
        table = self.spline.to(stabilized.device)
        first, last = table.values[0], table.values[-1]
        inside = stabilized.clamp(first, last)
        left = TableCurve.interval(table.values, inside)
        start, bend = table.slopes[left], (table.slopes[left + 1] - table.slopes[left]) / _STEP
        rise = inside - table.values[left]
        step = 2 * rise / (start + torch.sqrt(start**2 + 2 * bend * rise))
        below = (stabilized - inside).clamp(max=0) / table.slopes[0]
        above = (stabilized - inside).clamp(min=0) + (last - self.shift)
        beyond = torch.sqrt(above**2 + self.tail) - table.knots[-1]
        return table.knots[left] + step + below + beyond


def chi_nodes(coils: int, signal: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes over the magnitude, and for each a weight per chi distribution of 2 (coils + k) degrees of freedom.

    A noncentral chi distribution is a Poisson mixture (rate signal^2 / 2 over k) of these.

    Args:
        coils: number of coils.
        signal: the strongest signal that the mixture must hold, in sigma.

    Returns:
        Magnitudes (M,) and weights (k, M), whose rows sum to 1.
    """
    end = math.sqrt(signal**2 + 2 * coils) + _REACH
    edges = torch.arange(0, end + _STEP, _STEP, dtype=torch.float64)
    nodes, lengths = (part.reshape(-1) for part in gauss_legendre(edges[:-1], edges[1:], 12))
    shape = coils + torch.arange(poisson_terms(signal**2 / 2) + 1, dtype=torch.float64)[:, None]
    density = (2 * shape - 1) * nodes.log() - nodes**2 / 2 - (shape - 1) * math.log(2) - torch.lgamma(shape)
    return nodes, density.exp() * lengths


@lru_cache(maxsize=8)
def magnitude_curve(coils: int) -> MagnitudeCurve:
    """Find the curve for a number of coils.

    The start is the classical solution: the slope at the mean magnitude is one over the exact standard deviation. It
    is then bent, as smoothly as possible, until the variance after it is nearly 1 for signals from 0 up to where the
    asymptotic form holds: least squares over the slopes at the knots, in which the variances are quadratic, by damped
    Gauss-Newton steps.
    """
    tail = (2 * coils - 1) / 2
    end = math.ceil(math.sqrt(2 * coils) + 8)
    knots = torch.arange(0, end + _STEP / 2, _STEP, dtype=torch.float64)
    # strong enough for magnitudes on both sides of the last knot
    strongest = math.sqrt((end + 3) ** 2 - 2 * coils)
    signals = torch.linspace(0, strongest, 97, dtype=torch.float64)
    nodes, chi = chi_nodes(coils, strongest)
    density, _ = poisson_mean(chi, signals**2 / 2)
    classical = _classical_slopes(knots, nodes, density)
    classical[-1] = end / math.sqrt(end * end - tail)

    # f is a sum of the integrals of hats around the knots; the last slope, and so the tail, are given
    parts = _hat_integrals(nodes, knots)
    parts[:, -1] = parts[:, -1] * classical[-1] + torch.where(
        nodes > end, (nodes**2 - tail).clamp(min=0).sqrt() - math.sqrt(end * end - tail), 0
    )
    mean = density @ parts
    covariance = torch.einsum("nm,mi,mj->nij", density, parts, parts) - mean[:, :, None] * mean[:, None, :]
    bends = math.sqrt(_SMOOTHNESS / _STEP**3) * torch.eye(len(knots), dtype=torch.float64).diff(n=2, dim=0)
    slopes = _least_squares(classical, covariance, float(signals[1]), bends)
    values = torch.cat([torch.zeros(1, dtype=torch.float64), (slopes[:-1] + slopes[1:]).cumsum(0) * (_STEP / 2)])
    return MagnitudeCurve(TableCurve(knots, values, slopes), tail)


def _classical_slopes(knots: torch.Tensor, nodes: torch.Tensor, density: torch.Tensor) -> torch.Tensor:
    """One over the standard deviation, at the knots as mean magnitudes."""
    mean = density @ nodes
    deviation = (density @ nodes**2 - mean**2).sqrt()
    return torch.from_numpy(np.interp(knots.numpy(), mean.numpy(), (1 / deviation).numpy()))


def _hat_integrals(points: torch.Tensor, knots: torch.Tensor) -> torch.Tensor:
    """Integrals of the piecewise linear functions that are 1 at one knot, but for a constant: (points, knots)."""
    t = ((points[:, None] - knots) / _STEP).clamp(-1, 1)
    rising, falling = t.clamp(max=0), t.clamp(min=0)
    falling[:, -1] = 0
    return _STEP * ((1 + rising) ** 2 / 2 + falling - falling**2 / 2)


def _least_squares(start: torch.Tensor, covariance: torch.Tensor, step: float, bends: torch.Tensor) -> torch.Tensor:
    """Slopes (K,) above 0 with variances near 1 that leave the start smoothly; the last one stays."""
    free = len(start) - 1
    weight = math.sqrt(step)

    def residual(slopes: torch.Tensor) -> torch.Tensor:
        full = torch.cat([slopes[:-1], torch.ones_like(slopes[:1])])
        variance = torch.einsum("nij,i,j->n", covariance, full, full)
        return torch.cat([weight * (variance - 1), bends @ (slopes - start)])

    slopes, damping = start.clone(), 1e-3
    current = residual(slopes)
    for _ in range(40):
        full = torch.cat([slopes[:-1], torch.ones_like(slopes[:1])])
        jacobian = torch.cat([2 * weight * (covariance @ full), bends])[:, :free]
        normal = jacobian.T @ jacobian + damping * torch.eye(free, dtype=torch.float64)
        change = torch.linalg.solve(normal, -jacobian.T @ current)
        tried = torch.cat([(slopes[:-1] + change).clamp(min=0.1), slopes[-1:]])
        found = residual(tried)
        better = bool(found @ found < current @ current)
        slopes, current = (tried, found) if better else (slopes, current)
        damping *= 0.2 if better else 5.0
    return slopes

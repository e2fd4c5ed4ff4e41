# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A smooth increasing curve through a table."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["TableCurve"]


@dataclass(frozen=True, eq=False)
class TableCurve:
    """Cubic Hermite interpolation with known slopes, continued by straight lines on both sides.

    Args:
        knots: (K,) float64, strictly increasing, K at least 2.
        values: (K,) at the knots.
        slopes: (K,) the curve's derivative at the knots.
    """

    knots: torch.Tensor
    values: torch.Tensor
    slopes: torch.Tensor

    def to(self, device: torch.device) -> TableCurve:
        """The same curve on a device."""
        return TableCurve(self.knots.to(device), self.values.to(device), self.slopes.to(device))

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Evaluate at float64 points of any shape, on the points' device."""
        if points.device != self.knots.device:
            return self.to(points.device)(points)
        inside = points.clamp(self.knots[0], self.knots[-1])
        left = self.interval(self.knots, inside)
        step = self.knots[left + 1] - self.knots[left]
        t = (inside - self.knots[left]) / step
        start, rise = self.values[left], self.values[left + 1] - self.values[left]
        first, last = step * self.slopes[left], step * self.slopes[left + 1]
        between = start + t * (first + t * ((3 * rise - 2 * first - last) + t * (first + last - 2 * rise)))
        outward = torch.where(points < self.knots[0], self.slopes[0], self.slopes[-1])
        return between + outward * (points - inside)

    @staticmethod
    def interval(knots: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Index of the knot at the left end of each point's interval, 0 to K - 2, for NaN too."""
        return torch.searchsorted(knots, points.detach(), right=True).sub_(1).clamp_(0, len(knots) - 2)

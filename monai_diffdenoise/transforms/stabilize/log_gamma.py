# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Multiplicative speckle: the logarithm of Gamma noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch

from monai_diffdenoise.transforms.stabilize.base import Stabilizer, check_number
from monai_diffdenoise.transforms.stabilize.curve import TableCurve
from monai_diffdenoise.transforms.stabilize.expectation import gauss_legendre

__all__ = ["LogGammaStabilizer"]

_STEP = 0.02
# exp(40) floors: there the straight line below the floor no longer shows, even for half a look
_END = 40.0


@dataclass(frozen=True)
class LogGammaStabilizer(Stabilizer):
    r"""Logarithm for y = x * g with g ~ Gamma(looks, 1 / looks), which has the mean 1 and the variance 1 / looks.

    .. math:: z = \frac{1 + \log(y / floor)}{\sqrt{\psi'(looks)}} \text{ for } y \ge floor,
        \quad \frac{y / floor}{\sqrt{\psi'(looks)}} \text{ below}

    with the trigamma function :math:`\psi'`, the variance of log g for every x. The straight line gives zeros and
    negative values a place. Where x is far above the floor the standard deviation of z is 1; it falls to 0 with x
    where x is near the floor or below it.

    The unbiased inverse allows for the line: where x is far above the floor it is
    :math:`floor \exp(z \sqrt{\psi'} - 1 - \psi(looks) + \log looks)`, elsewhere a table of E[z | x].

    The model is of intensities. For amplitudes (their squares are Gamma distributed) stabilize the squares.

    Args:
        looks: number of looks (the shape of the Gamma distribution), 0.5 to 1e4.
        floor: intensity below which the curve is a straight line, above 0; a small part, such as 1 %, of the darkest
            intensity that matters.

    Raises:
        InputError: a parameter outside these ranges.
    """

    looks: float
    floor: float

    kind: ClassVar[str] = "log-gamma"

    def __post_init__(self) -> None:
        object.__setattr__(self, "looks", check_number("looks", self.looks, 0.5, 1e4))
        object.__setattr__(self, "floor", check_number("floor", self.floor, 0, above=True))

    @property
    def _scale(self) -> float:
        """Standard deviation of log g."""
        return math.sqrt(float(torch.special.polygamma(1, torch.tensor(self.looks, dtype=torch.float64))))

    def _forward(self, image: torch.Tensor) -> torch.Tensor:
        floors = image / self.floor
        line = floors.clamp(max=1)
        return (line + torch.log1p(floors - line)) / self._scale

    def _algebraic_inverse(self, stabilized: torch.Tensor) -> torch.Tensor:
        logarithm = stabilized * self._scale
        line = logarithm.clamp(max=1)
        return (line + torch.expm1(logarithm - line)) * self.floor

    def _unbiased_inverse(self, stabilized: torch.Tensor) -> torch.Tensor:
        mean = stabilized * self._scale
        below = mean.clamp(max=0)
        return (torch.expm1(_log_of_mean(self.looks)(mean - below)) + below) * self.floor


@lru_cache(maxsize=32)
def _log_of_mean(looks: float) -> TableCurve:
    """log(1 + x) as a function of E[f(x g)], f(y) = y below 1, 1 + log y above; its slope is 1 at both ends.

    The mean is the integral of its derivative by x, which has a closed form: E[g; x g < 1] + P(x g > 1) / x.
    """
    logs = torch.arange(0, _END + _STEP / 2, _STEP, dtype=torch.float64)

    def slope(log: torch.Tensor) -> torch.Tensor:
        x = torch.expm1(log).clamp(min=1e-9)
        shape = torch.full_like(x, looks)
        linear = torch.special.gammainc(shape + 1, looks / x)
        return (linear + torch.special.gammaincc(shape, looks / x) / x) * (1 + x)

    nodes, weights = gauss_legendre(logs[:-1], logs[1:], 8)
    mean = torch.cat([torch.zeros(1, dtype=torch.float64), (weights * slope(nodes)).sum(1).cumsum(0)])
    return TableCurve(mean, logs, 1 / slope(logs))

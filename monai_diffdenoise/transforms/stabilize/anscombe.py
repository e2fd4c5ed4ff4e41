# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Poisson-Gaussian noise: the generalized Anscombe transform."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.stabilize.base import Stabilizer, check_number
from monai_diffdenoise.transforms.stabilize.curve import TableCurve
from monai_diffdenoise.transforms.stabilize.expectation import gauss_legendre, poisson_mean, poisson_terms

__all__ = ["AnscombeStabilizer"]

# Events beyond which the inverse is a parabola to 1e-6 events.
_LARGEST_RATE = 400.0
_KNOTS = 400
_MOST_GAUSSIAN = 1e6


@dataclass(frozen=True)
class AnscombeStabilizer(Stabilizer):
    r"""Generalized Anscombe transform for y = gain * k + n + offset, k ~ Poisson, n ~ N(0, sigma^2).

    The signal is x = E[y], the variance of the noise gain * (x - offset) + sigma^2. With u = (y - offset) / gain,
    s = sigma / gain and c = 3/8 + s^2,

    .. math:: z = 2 \sqrt{u + c} - 2 \sqrt{c}

    which is the usual transform less a constant, so that the offset becomes 0 and, as the gain goes to 0, z becomes
    (y - offset) / sigma. Below u + c = max(3/8, s^2) / 2 the root goes on as its tangent, where the usual transform is
    flat or undefined: every value can be told apart and brought back. The standard deviation of z is 1 within 5 % from
    2 events on or for s of 1 and above; it is lower with fewer events and less Gaussian noise, and 0 where there is
    no noise (x = offset, sigma = 0).

    The unbiased inverse is tabulated from E[z | x] up to 400 events, a parabola above. Where it is asked for less than
    E[z | no events], it goes on below the offset, without clipping.

    Args:
        gain: intensity of one event, above 0.
        offset: intensity of no event.
        sigma: standard deviation of the Gaussian part, 0 or above, in intensity.

    Raises:
        InputError: a parameter outside these ranges.
    """

    gain: float = 1.0
    offset: float = 0.0
    sigma: float = 0.0

    kind: ClassVar[str] = "anscombe"

    def __post_init__(self) -> None:
        gain = check_number("gain", self.gain, 0, above=True)
        sigma = check_number("sigma", self.sigma, 0)
        if sigma > _MOST_GAUSSIAN * gain:
            raise InputError(
                f"got sigma={sigma:g} and gain={gain:g}; expected a ratio up to 1e6: this noise is Gaussian"
            )
        offset = check_number("offset", self.offset, -math.inf)
        for name, value in (("gain", gain), ("offset", offset), ("sigma", sigma)):
            object.__setattr__(self, name, value)

    @classmethod
    def from_variance(cls, slope: float, intercept: float) -> AnscombeStabilizer:
        """For noise of variance slope * x + intercept, as a fit over the image gives it.

        Two numbers cannot tell an offset from a Gaussian part: an intercept above 0 is taken for a Gaussian part, one
        below 0 for an offset.

        Args:
            slope: above 0, in intensity.
            intercept: in squared intensity.

        Raises:
            InputError: a slope that is not above 0, or a number that is not finite.
        """
        slope = check_number("slope", slope, 0, above=True)
        intercept = check_number("intercept", intercept, -math.inf)
        return cls(slope, max(-intercept, 0.0) / slope, math.sqrt(max(intercept, 0.0)))

    def _forward(self, image: torch.Tensor) -> torch.Tensor:
        return _stabilize((image - self.offset) / self.gain, self.sigma / self.gain)

    def _algebraic_inverse(self, stabilized: torch.Tensor) -> torch.Tensor:
        return _events(stabilized, self.sigma / self.gain) * self.gain + self.offset

    def _unbiased_inverse(self, stabilized: torch.Tensor) -> torch.Tensor:
        s = self.sigma / self.gain
        table = _rate_of_mean(s)
        low, high = float(table.knots[0]), float(table.knots[-1])
        below, above = stabilized.clamp(max=low), stabilized.clamp(min=high)
        inside = stabilized - (below - low) - (above - high)
        # sums that are 0 outside their own range: no jumps, and no NaN in a gradient
        end = high * (high / 4 + math.sqrt(0.375 + s * s))
        rate = _events(below - low, s) + table(inside) + (_parabola(above, s) - end)
        return rate * self.gain + self.offset


def _parabola(stabilized: torch.Tensor, s: float) -> torch.Tensor:
    """Number of events that the root stabilizes to this."""
    return stabilized * (stabilized / 4 + math.sqrt(0.375 + s * s))


def _stabilize(events: torch.Tensor, s: float) -> torch.Tensor:
    """The transform of a number of events with Gaussian noise of s."""
    c, start = 0.375 + s * s, max(0.375, s * s) / 2
    above = events.clamp(min=start - c)
    # 2 sqrt(u + c) - 2 sqrt(c) without the difference of large numbers
    root = 2 * above / (torch.sqrt(above + c) + math.sqrt(c))
    return root + (events - above) / math.sqrt(start)


def _events(stabilized: torch.Tensor, s: float) -> torch.Tensor:
    """Undo :func:`_stabilize`."""
    c, start = 0.375 + s * s, max(0.375, s * s) / 2
    above = stabilized.clamp(min=2 * (math.sqrt(start) - math.sqrt(c)))
    return _parabola(above, s) + (stabilized - above) * math.sqrt(start)


@lru_cache(maxsize=32)
def _rate_of_mean(s: float) -> TableCurve:
    """The mean number of events as a function of E[z]."""
    c = 0.375 + s * s
    roots = torch.linspace(math.sqrt(c), math.sqrt(c + _LARGEST_RATE), _KNOTS, dtype=torch.float64)
    rates = ((roots - math.sqrt(c)) * (roots + math.sqrt(c))).clamp(min=0)
    mean, slope = poisson_mean(_mean_of_counts(s, poisson_terms(float(rates[-1])) + 1), rates)
    return TableCurve(mean, rates, 1 / slope)


def _mean_of_counts(s: float, count: int) -> torch.Tensor:
    """E[z] given 0, 1, ... events: the mean over the Gaussian part."""
    k = torch.arange(count, dtype=torch.float64)
    if s == 0:
        return _stabilize(k, s)
    # the curve has a corner in its second derivative where the root begins: integrate on both sides of it
    corner = torch.full_like(k, max(0.375, s * s) / 2 - 0.375 - s * s).clamp(k - 10 * s, k + 10 * s)
    mean = torch.zeros_like(k)
    for low, high in ((k - 10 * s, corner), (corner, k + 10 * s)):
        u, weights = gauss_legendre(low, high, 96)
        density = torch.exp(-0.5 * ((u - k[:, None]) / s) ** 2) / (s * math.sqrt(2 * math.pi))
        mean += (weights * density * _stabilize(u, s)).sum(1)
    return mean

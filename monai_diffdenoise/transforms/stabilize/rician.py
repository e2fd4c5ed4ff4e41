# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Magnitude images of MRI: Rician and noncentral chi noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.stabilize.base import Stabilizer, check_number
from monai_diffdenoise.transforms.stabilize.curve import TableCurve
from monai_diffdenoise.transforms.stabilize.expectation import poisson_mean
from monai_diffdenoise.transforms.stabilize.magnitude_curve import chi_nodes, magnitude_curve

__all__ = ["RicianStabilizer"]

_KNOTS = 400


@dataclass(frozen=True)
class RicianStabilizer(Stabilizer):
    """Transform for the magnitude y of a signal x in complex Gaussian noise; root sum of squares over the coils.

    One coil gives Rician noise (Foi 2011), more of them noncentral chi noise with 2 coils degrees of freedom. There is
    no closed form: the curve is found numerically once for each number of coils. It is 0 at 0, a straight line below,
    and sqrt(y^2 / sigma^2 - coils + 1/2) plus a constant for strong signals. For one coil, the standard deviation of z
    is 0.95 at no signal and 0.95 to 1.035 anywhere; more coils are nearer to 1.

    The unbiased inverse returns x, not the mean of y: it takes away the noise floor. Magnitudes know x only through
    x^2, so E[z | x] is flat at x = 0: what lies at or below E[z | 0] becomes 0, and just above it a small error of the
    denoiser is a large one of x: for one coil, 0.01 above the floor are 0.15 sigma, and 1.54 sigma sqrt(error) in
    general. The algebraic inverse, and so ``remaining`` above 0, leads back to the magnitude, with its bias.

    Args:
        sigma: standard deviation of the noise in the real and the imaginary part, above 0.
        coils: 1 to 64.

    Raises:
        InputError: a parameter outside these ranges.
    """

    sigma: float
    coils: int = 1

    kind: ClassVar[str] = "rician"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", check_number("sigma", self.sigma, 0, above=True))
        if check_number("coils", self.coils, 1, 64) % 1:
            raise InputError(f"got coils={self.coils!r}; expected a whole number")
        object.__setattr__(self, "coils", int(self.coils))

    def _forward(self, image: torch.Tensor) -> torch.Tensor:
        return magnitude_curve(self.coils)(image / self.sigma)

    def _algebraic_inverse(self, stabilized: torch.Tensor) -> torch.Tensor:
        return magnitude_curve(self.coils).invert(stabilized) * self.sigma

    def _unbiased_inverse(self, stabilized: torch.Tensor) -> torch.Tensor:
        floor, high, table = _signal_of_mean(self.coils)
        # E[z] leaves the floor with the square of the signal, so the signal is smooth over the root of the distance
        above = stabilized > floor
        distance = torch.where(above, stabilized - floor, torch.ones_like(stabilized)).clamp(max=high - floor)
        signal = torch.where(above, table(distance.sqrt()), torch.zeros_like(stabilized))
        beyond = self._strong(stabilized.clamp(min=high)) - self._strong(torch.tensor(high, dtype=torch.float64))
        return (signal + beyond) * self.sigma

    def _strong(self, stabilized: torch.Tensor) -> torch.Tensor:
        """The signal x for which x + (2 coils - 1) / (4 x) is the mean, which it is for strong signals."""
        curve = magnitude_curve(self.coils)
        mean = stabilized - curve.shift
        return (mean + torch.sqrt(mean**2 - 2 * curve.tail)) / 2


@lru_cache(maxsize=8)
def _signal_of_mean(coils: int) -> tuple[float, float, TableCurve]:
    """E[z] of no signal and of the strongest in the table, and the signal as a function of sqrt(E[z] - E[z | 0])."""
    strongest = max(24.0, 8 * math.sqrt(2 * coils))
    signals = torch.linspace(0, strongest, _KNOTS, dtype=torch.float64)
    nodes, chi = chi_nodes(coils, strongest)
    # derivative by the rate, which is half the square of the signal
    mean, slope = poisson_mean(chi @ magnitude_curve(coils)(nodes), signals**2 / 2)
    roots = (mean - mean[0]).sqrt()
    rise = torch.cat([(2 / slope[:1]).sqrt(), 2 * roots[1:] / (slope[1:] * signals[1:])])
    return float(mean[0]), float(mean[-1]), TableCurve(roots, signals, rise)

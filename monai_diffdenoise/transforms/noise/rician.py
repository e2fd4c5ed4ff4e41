# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise of magnitude MR images: Rician for one coil, noncentral chi for the root sum of squares over many."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.chi_moments import chi_mean, chi_variance
from monai_diffdenoise.transforms.noise.model import NoiseModel
from monai_diffdenoise.transforms.noise.texture import Texture, White
from monai_diffdenoise.transforms.noise.varying import Level, check_level, level_values

__all__ = ["NoncentralChiNoise", "RicianNoise"]


@dataclass(frozen=True)
class RicianNoise(NoiseModel):
    """y = sqrt((x + sigma n1)^2 + (sigma n2)^2), the magnitude of a complex image with noise in both parts.

    With s = x / sigma: second moment x^2 + 2 sigma^2; mean sigma sqrt(pi/2) 1F1(-1/2; 1; -s^2/2), which is 1.253 sigma
    without signal and about x + sigma^2 / (2 x) with much of it; variance what is left, 0.429 sigma^2 without signal,
    about sigma^2 (1 - 1/(2 s^2)) with much. A negative x counts as its magnitude.

    Args:
        sigma: standard deviation of the real and of the imaginary part, in the units of the image, at least 0: a
            number, or a profile.
        texture: how n1 and, independently of it, n2 are correlated. :meth:`autocorrelation` is that of n1, and of the
            noise where the signal is well above it; without signal that of the magnitude is near its square.

    Raises:
        InputError: a sigma below 0 or not finite.
    """

    sigma: Level
    texture: Texture = White()

    def __post_init__(self) -> None:
        check_level(self.sigma)

    def _draw(self, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        sigma = level_values(self.sigma, clean.shape).float()
        real = clean + sigma * self.texture.draw(clean.shape, generator)
        return torch.hypot(real, sigma * self.texture.draw(clean.shape, generator))

    def _mean(self, clean: torch.Tensor) -> torch.Tensor:
        return chi_mean(clean, level_values(self.sigma, clean.shape))

    def _variance(self, clean: torch.Tensor) -> torch.Tensor:
        return chi_variance(clean, level_values(self.sigma, clean.shape))


@dataclass(frozen=True)
class NoncentralChiNoise(NoiseModel):
    """The root of the sum of squared magnitudes of ``coils`` complex images, their noise independent and equal.

    x is the root sum of squares of the coils without noise. With s = x / sigma and n coils: second moment
    x^2 + 2 n sigma^2; mean sigma sqrt(2) Gamma(n + 1/2) / Gamma(n) 1F1(-1/2; n; -s^2/2); variance what is left, about
    sigma^2 (1 - (2 n - 1) / (2 s^2)) with much signal. One coil is :class:`RicianNoise`. Real coils share some noise,
    which acts like fewer coils and a larger sigma.

    Args:
        sigma: standard deviation of the real and of the imaginary part in every coil, in the units of the image, at
            least 0: a number, or a profile.
        coils: how many, at least 1.
        texture: how the noise of each part of each coil is correlated; see :class:`RicianNoise`.

    Raises:
        InputError: a sigma below 0 or not finite, or no coil.
    """

    sigma: Level
    coils: int = 4
    texture: Texture = White()

    def __post_init__(self) -> None:
        check_level(self.sigma)
        if self.coils != int(self.coils) or self.coils < 1:
            raise InputError(f"got noise of {self.coils} coils; expected a whole number of at least 1")

    def _draw(self, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        sigma = level_values(self.sigma, clean.shape).float()
        # The coils can be turned so that one real part holds all the signal and the others noise alone.
        signal = clean + sigma * self.texture.draw(clean.shape, generator)
        rest = torch.zeros_like(clean)
        for _ in range(2 * int(self.coils) - 1):
            rest += self.texture.draw(clean.shape, generator).square()
        return torch.hypot(signal, sigma * rest.sqrt())

    def _mean(self, clean: torch.Tensor) -> torch.Tensor:
        return chi_mean(clean, level_values(self.sigma, clean.shape), int(self.coils))

    def _variance(self, clean: torch.Tensor) -> torch.Tensor:
        return chi_variance(clean, level_values(self.sigma, clean.shape), int(self.coils))

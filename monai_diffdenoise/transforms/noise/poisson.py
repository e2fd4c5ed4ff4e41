# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise of counted quanta: Poisson, and Poisson with the Gaussian noise of electronics on top."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.model import NoiseModel
from monai_diffdenoise.transforms.noise.varying import Level, check_level, level_values

__all__ = ["PoissonGaussianNoise", "PoissonNoise"]


@dataclass(frozen=True)
class PoissonNoise(NoiseModel):
    """y = gain P(x / gain), P(k) a Poisson count of mean k.

    Mean x, variance gain x; white. A signal below 0 has no quanta and stays as it is.

    Args:
        gain: signal of one quantum, in the units of the image: a signal of 1 is made of 1 / gain quanta. 0 is the limit
            without noise.

    Raises:
        InputError: a gain below 0 or not finite.
    """

    gain: float

    def __post_init__(self) -> None:
        _check_gain(self.gain)

    def _draw(self, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return _count(clean, self.gain, generator)

    def _mean(self, clean: torch.Tensor) -> torch.Tensor:
        return clean

    def _variance(self, clean: torch.Tensor) -> torch.Tensor:
        return self.gain * clean.clamp(min=0.0)


@dataclass(frozen=True)
class PoissonGaussianNoise(NoiseModel):
    """y = gain P(x / gain) + sigma n, P(k) a Poisson count of mean k, n standard normal.

    Mean x, variance gain x + sigma^2; white. A signal below 0 has the Gaussian part only.

    Args:
        gain: signal of one quantum, at least 0, in the units of the image.
        sigma: standard deviation of the Gaussian part, at least 0, in the units of the image: a number, or a profile.

    Raises:
        InputError: a gain or sigma below 0 or not finite.
    """

    gain: float
    sigma: Level

    def __post_init__(self) -> None:
        _check_gain(self.gain)
        check_level(self.sigma)

    def _draw(self, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        counted = _count(clean, self.gain, generator)
        noise = torch.randn(clean.shape, generator=generator)
        return counted + level_values(self.sigma, clean.shape).float() * noise

    def _mean(self, clean: torch.Tensor) -> torch.Tensor:
        return clean

    def _variance(self, clean: torch.Tensor) -> torch.Tensor:
        return self.gain * clean.clamp(min=0.0) + level_values(self.sigma, clean.shape).square()


def _check_gain(gain: float) -> None:
    if not (math.isfinite(gain) and gain >= 0.0):
        raise InputError(f"got Poisson noise with gain {gain}; expected a number of at least 0")


def _count(clean: torch.Tensor, gain: float, generator: torch.Generator) -> torch.Tensor:
    if gain == 0.0:
        return clean.clone()
    # In float64: in float32 a rate of 1e7 quanta would be rounded, and a small gain overflow it.
    signal = clean.double().clamp(min=0.0)
    rate = (signal / gain).nan_to_num(0.0, 0.0, 0.0)
    noise = gain * torch.poisson(rate, generator=generator) - signal
    return (clean.double() + noise).float()

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Additive Gaussian noise: white or correlated, of one level or of a level that changes over the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from monai_diffdenoise.transforms.noise.model import NoiseModel
from monai_diffdenoise.transforms.noise.texture import Texture, White
from monai_diffdenoise.transforms.noise.varying import Level, check_level, level_values

__all__ = ["GaussianNoise"]


@dataclass(frozen=True)
class GaussianNoise(NoiseModel):
    """y = x + sigma n, n with mean 0 and standard deviation 1.

    Mean x, variance sigma^2 whatever the signal, autocorrelation that of the texture.

    Args:
        sigma: standard deviation in the units of the image, at least 0: a number, or a
            :class:`~monai_diffdenoise.transforms.noise.LevelProfile`.
        texture: how n is correlated.

    Raises:
        InputError: a sigma below 0 or not finite.
    """

    sigma: Level
    texture: Texture = White()

    def __post_init__(self) -> None:
        check_level(self.sigma)

    def _draw(self, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return clean + level_values(self.sigma, clean.shape).float() * self.texture.draw(clean.shape, generator)

    def _mean(self, clean: torch.Tensor) -> torch.Tensor:
        return clean

    def _variance(self, clean: torch.Tensor) -> torch.Tensor:
        return level_values(self.sigma, clean.shape).square()

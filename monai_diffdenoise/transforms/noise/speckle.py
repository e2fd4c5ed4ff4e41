# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Multiplicative noise of coherent imaging (ultrasound, OCT, SAR): Gamma speckle."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.model import NoiseModel

__all__ = ["GammaNoise"]


@dataclass(frozen=True)
class GammaNoise(NoiseModel):
    """y = x g, g from a Gamma distribution with shape ``looks`` and mean 1.

    Mean x, variance x^2 / looks; white. This is the intensity of fully developed speckle, averaged over ``looks``
    independent views.

    Args:
        looks: above 0, whole or not; infinite is the limit without noise.

    Raises:
        InputError: looks of 0 or less.
    """

    looks: float

    def __post_init__(self) -> None:
        if not self.looks > 0.0:
            raise InputError(f"got Gamma noise with looks = {self.looks}; expected a number above 0")

    def _draw(self, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        if math.isinf(self.looks):
            return clean.clone()
        # No public Gamma sampler of torch takes a generator. This one of numpy is frozen: its numbers never change.
        words = torch.randint(2**32, (8,), generator=generator).numpy().astype(np.uint32)
        gamma = np.random.RandomState(words).standard_gamma(self.looks, tuple(clean.shape))
        return clean * torch.from_numpy(gamma / self.looks).float()

    def _mean(self, clean: torch.Tensor) -> torch.Tensor:
        return clean

    def _variance(self, clean: torch.Tensor) -> torch.Tensor:
        return clean.square() / self.looks

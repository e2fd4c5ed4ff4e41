# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Measuring noise: every statistic with the standard error that it really has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from monai_diffdenoise.transforms.noise import NoiseModel, Texture


@pytest.fixture(scope="session")
def moment_z() -> Callable[..., tuple[float, float]]:
    """Factory: z of the mean and of the variance of a constant image, from the scatter of independent channels.

    Deviations are from the stated mean, so both are unbiased, whatever the correlation within a channel. With 120
    channels of 3600 voxels an error of 1 % in the variance of white noise has z = 4.6 or more.
    """

    def measure(
        noise: NoiseModel, signal: float, seed: int = 0, shape: Sequence[int] = (120, 30, 30, 4)
    ) -> tuple[float, float]:
        clean = torch.full(tuple(shape), signal)
        noisy = noise.sample(clean, torch.Generator().manual_seed(seed)).double()
        mean, variance = noise.mean(clean).double(), noise.variance(clean).double()
        if not bool(variance.any()):
            return (0.0, 0.0) if torch.equal(noisy, mean) else (float("inf"), float("inf"))
        errors = (noisy - mean, (noisy - mean).square() - variance)
        one, two = (error.flatten(1).mean(1) for error in errors)
        count = len(one) ** 0.5
        return float(one.mean() / one.std() * count), float(two.mean() / two.std() * count)

    return measure


@pytest.fixture(scope="session")
def covariance_z() -> Callable[..., float]:
    """Factory: largest z between the measured covariance of any two voxels of a small field and the stated one."""

    def measure(texture: Texture, shape: Sequence[int], count: int = 6000, seed: int = 0) -> float:
        field = texture.draw((count, *shape), torch.Generator().manual_seed(seed)).double().flatten(1)
        found = field.T @ field / count
        places = [tuple(place) for place in torch.cartesian_prod(*(torch.arange(n) for n in shape)).tolist()]
        lags = [[tuple(a - b for a, b in zip(p, q)) for q in places] for p in places]
        known = {lag: texture.autocorrelation(lag, shape) for lag in set().union(*lags)}
        stated = torch.tensor([[known[lag] for lag in row] for row in lags], dtype=torch.float64)
        return float(((found - stated).abs() / ((1 + stated.square()) / count).sqrt()).max())

    return measure

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Additive Gaussian noise, with MONAI's own as a witness."""

from __future__ import annotations

import math

import pytest
import torch
from monai.transforms import RandGaussianNoise
from scipy import stats

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise import EdgeToCenter, GaussianKernel, GaussianNoise, LevelMap


def test_noise_is_normal_and_does_not_know_the_signal() -> None:
    clean = torch.linspace(-5, 5, 40000)[None]
    noise = GaussianNoise(0.3).sample(clean, torch.Generator().manual_seed(0)) - clean
    assert stats.kstest(noise[0].numpy() / 0.3, "norm").pvalue > 0.001
    assert abs(float(torch.corrcoef(torch.stack([noise[0], clean[0]]))[0, 1])) < 0.02


def test_distribution_is_that_of_monai() -> None:
    clean = torch.full((1, 200, 200), 0.5)
    theirs = RandGaussianNoise(prob=1.0, std=0.1, sample_std=False).set_random_state(0)(clean)
    ours = GaussianNoise(0.1).sample(clean, torch.Generator().manual_seed(0))
    assert stats.ks_2samp(ours.flatten(), theirs.flatten()).pvalue > 0.001


def test_noise_is_the_texture_times_the_level() -> None:
    clean, texture = torch.zeros(2, 10, 12), GaussianKernel(1.0)
    field = texture.draw(clean.shape, torch.Generator().manual_seed(1))
    noise = GaussianNoise(EdgeToCenter(0.2), texture)
    noisy = noise.sample(clean, torch.Generator().manual_seed(1))
    assert torch.allclose(noisy, field * noise.variance(clean).sqrt(), atol=1e-6)
    assert noise.autocorrelation((1, 1)) == texture.autocorrelation((1, 1)) != 0


def test_map_is_the_standard_deviation(moment_z) -> None:
    sigma = torch.rand((1, 30, 30, 4), generator=torch.Generator().manual_seed(0))
    noise = GaussianNoise(LevelMap(sigma))
    assert torch.allclose(noise.variance(torch.zeros(2, 30, 30, 4)), sigma.square().expand(2, -1, -1, -1))
    assert max(map(abs, moment_z(noise, 1.0))) < 4


@pytest.mark.parametrize("sigma", [-1.0, math.nan, math.inf])
def test_sigma_that_cannot_be_is_refused(sigma: float) -> None:
    with pytest.raises(InputError, match="sigma"):
        GaussianNoise(sigma)

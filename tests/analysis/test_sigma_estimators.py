# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
import torch

from monai_diffdenoise.analysis.sigma_estimators import sigma_background, sigma_laplacian, sigma_patch_pca
from monai_diffdenoise.transforms.noise import noise_model


def ramp() -> torch.Tensor:
    return torch.linspace(0.3, 1, 96)[:, None, None].expand(96, 80, 6).clone()


def noisy(clean: torch.Tensor, kind: str = "gaussian", level: float = 0.1) -> torch.Tensor:
    axes = (0, 1) if kind == "correlated" else None
    return noise_model(kind, level, axes=axes).sample(clean[None], torch.Generator().manual_seed(0))[0]


@pytest.mark.parametrize("estimate", [sigma_laplacian, sigma_patch_pca])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_white_noise(estimate, scale):
    assert estimate(noisy(ramp()) * scale) == pytest.approx(0.1 * scale, rel=0.06)


@pytest.mark.parametrize("estimate", [sigma_laplacian, sigma_patch_pca])
def test_correlated_noise_fools_both(estimate):
    assert estimate(noisy(ramp(), "correlated")) < 0.05


def test_repetitive_texture_fools_the_laplacian_only():
    texture = 0.4 * torch.sin(torch.arange(96) * 2.0)[:, None, None] * torch.sin(torch.arange(80) * 2.0)[None, :, None]
    image = noisy(ramp() + texture)
    assert sigma_laplacian(image) > 0.15
    assert sigma_patch_pca(image) == pytest.approx(0.1, rel=0.1)


def test_background_of_a_magnitude_image():
    clean = torch.zeros(96, 80, 6)
    clean[30:70, 20:60] = 1
    image = noise_model("rician", 0.1, mid=5.0).sample(clean[None], torch.Generator().manual_seed(0))[0]
    assert sigma_background(image) == pytest.approx(0.1, rel=0.03)


@pytest.mark.parametrize("clean", [ramp(), torch.ones(96, 80, 6)])
def test_no_background(clean):
    assert math.isnan(sigma_background(noisy(clean, level=0.02)))


def test_negative_values_and_masked_air_have_no_rayleigh_background():
    assert math.isnan(sigma_background(noisy(torch.zeros(64, 64, 4))))
    masked = torch.zeros(64, 64, 4)
    masked[20:40, 20:40] = 1 + 0.05 * torch.randn(20, 20, 4, generator=torch.Generator().manual_seed(0))
    assert math.isnan(sigma_background(masked))


def test_small_and_empty_images():
    assert math.isnan(sigma_laplacian(torch.ones(2, 2, 3)))
    assert math.isnan(sigma_patch_pca(torch.ones(8, 8, 3)))
    assert sigma_laplacian(torch.ones(20, 20, 3)) == 0
    assert sigma_patch_pca(torch.ones(20, 20, 3)) == 0

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Non-local means: the formula, in batches, at any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.restoration import denoise_nl_means

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms import nlm
from monai_diffdenoise.transforms.guide import (
    guide_slices,
)
from monai_diffdenoise.transforms.nlm import mirror_pad, non_local_means

SIGMA = 0.1


def noisy_step(height: int, width: int, count: int = 1, seed: int = 0) -> torch.Tensor:
    """Slices (N, H, W) with an edge, in float64."""
    clean = torch.zeros(count, height, width, dtype=torch.float64)
    clean[:, height // 3 :, width // 2 :] = 1
    return clean + SIGMA * torch.randn(clean.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def naive_nlm(image: np.ndarray, h: float, sigma: float, patch: int, distance: int) -> np.ndarray:
    """The formula, pixel by pixel."""
    low, high = (patch - 1) // 2, patch // 2
    padded = np.pad(image, ((low + distance, high + distance),) * 2, mode="reflect")
    result = np.zeros_like(image)
    window = range(2 * distance + 1)
    for i, j in np.ndindex(image.shape):
        centre = padded[i + distance : i + distance + patch, j + distance : j + distance + patch]
        values, weights = [], []
        for a in window:
            for b in window:
                other = padded[i + a : i + a + patch, j + b : j + b + patch]
                weights.append(np.exp(-max(((other - centre) ** 2).mean() - 2 * sigma**2, 0) / h**2))
                values.append(padded[i + a + low, j + b + low])
        result[i, j] = np.average(values, weights=weights)
    return result


@pytest.mark.parametrize(("patch", "distance"), [(5, 6), (3, 2), (4, 3), (1, 2), (5, 0)])
@pytest.mark.parametrize("sigma", [SIGMA, 0.0])
def test_nlm_equals_the_formula(patch: int, distance: int, sigma: float) -> None:
    image = noisy_step(17, 13)
    expected = naive_nlm(image[0].numpy(), 0.08, sigma, patch, distance)
    assert np.allclose(non_local_means(image, 0.08, sigma, patch, distance)[0], expected, atol=1e-12)


def test_nlm_agrees_with_scikit_image() -> None:
    image = noisy_step(48, 40)
    settings = {"patch_size": 5, "patch_distance": 6, "fast_mode": True, "preserve_range": True}
    expected = denoise_nl_means(image[0].numpy(), h=0.08, sigma=SIGMA, **settings)
    # its patches are 4 x 4 and it divides by 5 x 5
    ours = non_local_means(image, 0.08 * 5 / 4, SIGMA, patch_size=4, patch_distance=6)[0]
    # what is left is its approximation of exp, and weights under exp(-5) that it drops
    difference = np.abs(ours.numpy() - expected)
    assert difference.mean() < 0.01 * SIGMA and difference.max() < 0.1 * SIGMA


def test_nlm_in_float32_is_accurate_on_a_large_offset() -> None:
    image = noisy_step(20, 20)
    expected = non_local_means(image, SIGMA, SIGMA)
    shifted = non_local_means((image + 1000).float(), SIGMA, SIGMA) - 1000
    assert torch.allclose(shifted.double(), expected, atol=5e-4)


def test_nlm_does_not_depend_on_how_slices_are_batched(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noisy_step(16, 16, count=5).float()
    monkeypatch.setitem(nlm._CHUNK_PIXELS, "cpu", 2 * 16 * 16)
    inside_batch = non_local_means(image, SIGMA, SIGMA)
    monkeypatch.setitem(nlm._CHUNK_PIXELS, "cpu", 1)
    assert torch.allclose(non_local_means(image, SIGMA, SIGMA), inside_batch, atol=1e-6)


def test_nlm_removes_noise_and_keeps_the_edge() -> None:
    denoised = non_local_means(noisy_step(60, 60), SIGMA, SIGMA)[0]
    assert float(denoised[25:55, 35:55].std()) < 0.25 * SIGMA
    assert float((denoised[25:55, 32] - denoised[25:55, 27]).mean()) > 0.95


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 7), (2, 5, 4), (1, 2, 1), (2, 1, 6, 5)])
def test_tiny_slices_and_both_layouts_are_filtered(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape)
    guide = guide_slices(image, SIGMA)
    assert guide.shape == image.shape and bool(torch.isfinite(guide).all())
    assert guide.min() >= image.min() - 1e-6 and guide.max() <= image.max() + 1e-6


@pytest.mark.parametrize(
    ("shape", "numbers"),
    [
        ((4, 4), {}),
        ((2, 3, 4, 4), {}),
        ((0, 4, 4), {}),
        ((1, 4, 4), {"h": 0.0}),
        ((1, 4, 4), {"h": float("nan")}),
        ((1, 4, 4), {"sigma": -1.0}),
        ((1, 4, 4), {"patch_size": 0}),
    ],
)
def test_nlm_refuses_other_shapes_and_numbers(shape: tuple[int, ...], numbers: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected"):
        non_local_means(torch.rand(shape), **{"h": 1.0, "sigma": 1.0, **numbers})


@pytest.mark.parametrize("size", [1, 2, 5])
def test_mirror_pad_is_numpys_reflect(size: int) -> None:
    image = torch.rand(1, size, 6)
    expected = np.pad(image.numpy(), ((0, 0), (7, 4), (7, 4)), mode="reflect" if size > 1 else "edge")
    if size == 1:
        expected = np.pad(np.pad(image.numpy(), ((0, 0), (7, 4), (0, 0)), "edge"), ((0, 0), (0, 0), (7, 4)), "reflect")
    assert np.array_equal(mirror_pad(image, 7, 4), expected)

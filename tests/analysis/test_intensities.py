# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.analysis.intensities import measure_intensities


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(64, 64, 16, generator=torch.Generator().manual_seed(seed))


def test_continuous_values():
    found = measure_intensities(noise())
    assert not found.clipped_low and not found.clipped_high
    assert found.step == 0
    assert found.lowest == float(noise().min())


@pytest.mark.parametrize(("low", "high"), [(-1.0, None), (None, 1.0), (-1.0, 1.0)])
@pytest.mark.parametrize("grid", [0.0, 0.05])
def test_clipping(low, high, grid):
    image = noise().clamp(low, high)
    if grid:
        image = (image / grid).round() * grid
    found = measure_intensities(image)
    assert found.clipped_low == (low is not None)
    assert found.clipped_high == (high is not None)


@pytest.mark.parametrize("step", [0.5, 1.0, 1e-3, 250.0])
def test_quantization_step(step):
    found = measure_intensities((noise() * 20).round() * step)
    assert found.step == pytest.approx(step, rel=1e-3)
    assert not found.clipped_low and not found.clipped_high


def test_masked_background_is_seen_as_clipping():
    image = noise().abs() + 0.5
    image[:20] = 0
    assert measure_intensities(image).clipped_low


def test_constant_image():
    found = measure_intensities(torch.ones(4, 4, 4))
    assert not found.clipped_low and not found.clipped_high and found.step == 0

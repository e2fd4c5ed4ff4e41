# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.analysis.flat_blocks import FlatBlocks, find_flat_blocks
from monai_diffdenoise.analysis.noise_shape import level_variation, noise_skewness

SHAPE = (64, 64, 32)


def flat(volume: torch.Tensor) -> tuple[FlatBlocks, torch.Tensor]:
    blocks = find_flat_blocks(volume)
    assert blocks is not None
    return blocks, torch.full_like(blocks.mean, float(volume.std()))


def test_gaussian_noise_is_symmetric():
    value, error = noise_skewness(*flat(torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))))
    assert abs(value) < 4 * error
    assert error < 0.05


@pytest.mark.parametrize(("looks", "skewness"), [(4, 1.0), (16, 0.5)])
@pytest.mark.parametrize("sign", [1, -1])
def test_speckle_is_skewed_by_its_law(looks, skewness, sign):
    torch.manual_seed(0)
    noise = torch.distributions.Gamma(float(looks), float(looks)).sample(SHAPE)
    value, error = noise_skewness(*flat(sign * noise))
    # picking flat blocks prefers those without outliers, which takes some of the skewness away
    assert value == pytest.approx(sign * skewness, abs=0.2 * skewness + 4 * error)


def test_even_noise_does_not_vary():
    found = level_variation(*flat(torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))), (32, 64, 64))
    assert found is not None
    assert found.relative < 0.05 and not found.varies
    assert found.lowest > 0.8 and found.highest < 1.2


def test_level_that_changes_in_space():
    level = torch.linspace(0.5, 1.5, 64)[:, None, None]
    found = level_variation(*flat(level * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))), (32, 64, 64))
    assert found is not None
    # four regions along the axis, at 0.625, 0.875, 1.125 and 1.375 of the mean
    assert found.relative == pytest.approx(0.28, abs=0.1)
    assert found.varies


def test_too_few_regions():
    blocks, sigma = flat(torch.randn(16, 16, 8, generator=torch.Generator().manual_seed(0)))
    assert level_variation(blocks, sigma, (8, 16, 16)) is None

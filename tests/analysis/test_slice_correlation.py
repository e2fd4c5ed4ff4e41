# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
import torch

from monai_diffdenoise.analysis.slice_correlation import measure_slice_correlation
from monai_diffdenoise.data.phantom import make_phantom


def volume(kernel: list[float], level: float = 0.1) -> torch.Tensor:
    clean = torch.as_tensor(make_phantom((96, 96, 32))).float()
    noise = torch.randn((96, 96, 32 + len(kernel) - 1), generator=torch.Generator().manual_seed(5))
    mixed = sum(k * noise[..., i : i + 32] for i, k in enumerate(kernel))
    return clean + level * mixed / math.sqrt(sum(k * k for k in kernel))


@pytest.mark.parametrize("level", [0.05, 0.1])
@pytest.mark.parametrize(
    ("kernel", "expected"), [([1], (0, 0)), ([1, 0.3], (0.275, 0)), ([1, 1], (0.5, 0)), ([1, 2, 1], (0.667, 0.167))]
)
def test_correlation_is_told_from_anatomy(kernel, expected, level):
    found = measure_slice_correlation(volume(kernel, level))
    assert found.at == pytest.approx(expected, abs=0.12)
    assert found.error < 0.1


def test_another_axis():
    turned = volume([1, 1]).movedim(-1, 0)
    assert measure_slice_correlation(turned, 0).at[0] == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("image", [torch.zeros(64, 64, 3), torch.zeros(64, 64, 20)])
def test_nothing_to_see(image):
    assert math.isnan(measure_slice_correlation(image).at[0])

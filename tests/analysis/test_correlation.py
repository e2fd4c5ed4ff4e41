# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Correlation of noise, whatever the parts it is measured in. Its values: ``test_slices.py``."""

from __future__ import annotations

import math

import pytest
import torch

from monai_diffdenoise.analysis import measure_slices, sigma
from monai_diffdenoise.analysis.correlation import in_plane_correlation, noise_correlation


@pytest.fixture
def stack() -> torch.Tensor:
    """Slices (N, H, W) with an object, and noise that next slices and next columns share a part of."""
    noise = torch.randn(13, 40, 49, generator=torch.Generator().manual_seed(0))
    noise = noise[1:] + 0.6 * noise[:-1]
    noise = noise[:, :, 1:] + 0.4 * noise[:, :, :-1]
    return 0.1 * noise + torch.zeros(12, 40, 48).index_fill_(1, torch.arange(10, 30), 2.0)


@pytest.mark.parametrize("slices", [1, 3, 5])
@pytest.mark.parametrize("distance", [1, 2])
def test_nothing_depends_on_how_many_pairs_are_compared_at_a_time(
    stack: torch.Tensor, distance: int, slices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = measure_slices(stack, 0, distance)
    monkeypatch.setattr(sigma, "_PART_VOXELS", slices * 40 * 48)
    assert measure_slices(stack, 0, distance) == expected


def test_both_directions_are_told_apart(stack: torch.Tensor) -> None:
    assert noise_correlation(stack, 0) > 0.3
    down, right = in_plane_correlation(stack, 1) or (9.0, 9.0)
    assert down == pytest.approx(0, abs=0.06)
    assert right == pytest.approx(0.4 / 1.16, abs=0.08)


def test_where_there_is_no_pair_or_no_noise_there_is_no_correlation() -> None:
    assert math.isnan(noise_correlation(torch.rand(9, 9, 1)))
    assert math.isnan(noise_correlation(torch.ones(9, 9, 4)))
    assert math.isnan(noise_correlation(torch.rand(2, 9, 4)))
    assert in_plane_correlation(torch.rand(1, 9, 9), 1) is None
    assert in_plane_correlation(torch.ones(3, 9, 9), 1) is None
    assert in_plane_correlation(torch.rand(3, 1, 9), 1) is None

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Gaussian blending: every pixel counts, no corner is like another place."""

from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.inferers.blending import blended, gaussian_ramp


@pytest.mark.parametrize("side", [1, 2, 7, 96])
def test_weights_fall_off_from_the_middle_and_stay_above_zero(side: int) -> None:
    ramp = gaussian_ramp(side)
    assert float(ramp.min()) > 0
    torch.testing.assert_close(ramp, ramp.flip(0))
    assert bool((ramp[: side // 2].diff() > 0).all())


def test_tiles_are_weighted_by_the_product() -> None:
    image = torch.zeros(1, 1, 12)[..., None].expand(1, 1, 12, 8)
    values = iter([1.0, 2.0])
    result = blended(lambda tile: torch.full_like(tile, next(values)), [8, 8], 1, 0.5)(image)
    ramp = gaussian_ramp(8)
    second = torch.cat([torch.zeros(4), ramp])
    first = torch.cat([ramp, torch.zeros(4)])
    torch.testing.assert_close(result[0, 0, :, 3], (first + 2 * second) / (first + second))


def test_axes_without_weight_count_the_same_everywhere() -> None:
    image = torch.zeros(1, 1, 12, 8)
    values = iter([1.0, 2.0])
    result = blended(lambda tile: torch.full_like(tile, next(values)), [8, 8], 1, 0.5, [False, True])(image)
    torch.testing.assert_close(result[0, 0, 4:8], torch.full((4, 8), 1.5))

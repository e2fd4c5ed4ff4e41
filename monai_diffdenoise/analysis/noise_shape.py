# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether noise is symmetric, and whether its level changes from place to place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from monai_diffdenoise.analysis.flat_blocks import FlatBlocks

__all__ = ["LevelVariation", "level_variation", "noise_skewness"]

# Of the difference of a slice and the mean of its two neighbors: 0.75 of the third moment, 1.5 of the variance.
_KEPT_SKEWNESS = 0.75 / 1.5**1.5
_REGIONS = 4
_FEWEST = 6


@dataclass(frozen=True)
class LevelVariation:
    """How the noise level changes over the volume, beyond what brightness explains.

    Args:
        relative: standard deviation over regions of the noise standard deviation, divided by its mean, with the scatter
            of the measurement taken out.
        lowest: smallest regional level, in units of what the noise law says.
        highest: largest.
        error: scatter of one region's level by chance.
        regions: how many regions could be measured.
    """

    relative: float
    lowest: float
    highest: float
    error: float
    regions: int

    @property
    def varies(self) -> bool:
        """Whether the change is larger than 10 % and than the error of the measurement."""
        return self.relative > max(0.1, 2 * self.error)


def noise_skewness(blocks: FlatBlocks, sigma: torch.Tensor) -> tuple[float, float]:
    """Skewness of the noise, from fields of three slices, which keep 0.41 of it.

    Args:
        blocks: flat blocks of order 2.
        sigma: (M,) noise standard deviation of each block.

    Returns:
        skewness (0 for symmetric noise) and its standard error.
    """
    # D is (a - 2 b + c) / sqrt 6: the middle slice enters with a minus.
    field = -(blocks.field / sigma.to(blocks.field)[:, None, None].clamp_min(1e-30)).double()
    field = field - field.mean()
    spread = field.square().mean().sqrt()
    if not float(spread) > 0:
        return 0.0, math.inf
    skewness = float((field / spread).clamp(-6, 6).pow(3).mean())
    return skewness / _KEPT_SKEWNESS, math.sqrt(6 / field.numel()) / _KEPT_SKEWNESS


def level_variation(
    blocks: FlatBlocks, sigma: torch.Tensor, shape: tuple[int, int, int], pixels: float = 40.0
) -> LevelVariation | None:
    """Compare the noise level of regions, a quarter of the stack wide along each axis.

    Args:
        blocks: flat blocks.
        sigma: (M,) what the noise law says for each block's brightness.
        shape: (N, H, W) of the stack.
        pixels: independent pixels in a block.

    Returns:
        None with fewer than 6 regions that hold 6 blocks each.
    """
    ratio = (blocks.energy / sigma.to(blocks.energy).square().clamp_min(1e-30)).double()
    cells = [(blocks.place[:, axis] * _REGIONS // size).clamp(max=_REGIONS - 1) for axis, size in enumerate(shape)]
    region = (cells[0] * _REGIONS + cells[1]) * _REGIONS + cells[2]
    count = torch.bincount(region, minlength=_REGIONS**3)
    total = torch.zeros(_REGIONS**3, dtype=torch.float64).index_add_(0, region, ratio)
    full = count >= _FEWEST
    if int(full.sum()) < 6:
        return None
    level = (total[full] / count[full]).sqrt()
    error = float((2 / (count[full] * pixels)).mean().sqrt()) / 2
    mean = float(level.mean())
    spread = math.sqrt(max(float((level / mean).var()) - error**2, 0.0))
    return LevelVariation(spread, float(level.min()) / mean, float(level.max()) / mean, error, int(full.sum()))

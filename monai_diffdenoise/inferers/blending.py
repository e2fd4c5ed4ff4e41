# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Overlapping tiles, blended by Gaussians: for networks whose result depends on the whole tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import SlidingWindowInferer

__all__ = ["blended", "gaussian_ramp"]


def gaussian_ramp(side: int) -> torch.Tensor:
    """Weight (side,) of a tile's pixels along one axis, above 0 everywhere.

    MONAI's own is raised to 0.001 where it is less, which makes the corners all alike: tiles then meet in a step.
    """
    return torch.exp(-0.5 * torch.linspace(-4, 4, side).square())


def blended(
    network: Callable[[torch.Tensor], torch.Tensor],
    tile: Sequence[int],
    batch_size: int,
    overlap: float,
    weighted: Sequence[bool] | None = None,
) -> Callable[[torch.Tensor], Any]:
    """MONAI's sliding window with Gaussians that do not meet in steps.

    Args:
        network: (B, C, *tile) to (B, C', *tile).
        tile: sides, none larger than the image.
        batch_size: tiles a pass.
        overlap: share of the tile that neighbors share, 0 to below 1.
        weighted: for each axis, whether the weight falls off towards its ends; all when None.
    """
    weight = torch.ones((1, 1, *tile))
    for axis, side in enumerate(tile):
        if weighted is None or weighted[axis]:
            weight = weight * gaussian_ramp(side).reshape([-1 if k == axis else 1 for k in range(len(tile))])
    sliding = SlidingWindowInferer(list(tile), sw_batch_size=batch_size, overlap=overlap, mode="gaussian")
    sliding.roi_weight_map = weight
    return lambda image: sliding(image, network)

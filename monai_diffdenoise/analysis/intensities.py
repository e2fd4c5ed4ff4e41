# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What storage did to the values: clipping at either end, masking, quantization."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["Intensities", "measure_intensities"]

_SAMPLE = 1_000_000
_SPIKE = 5.0
_FEW = 1e-4


@dataclass(frozen=True)
class Intensities:
    """Facts on the values themselves.

    Args:
        lowest: smallest value.
        highest: largest value.
        at_lowest: share of voxels that have exactly the smallest value.
        at_highest: share of voxels that have exactly the largest value.
        clipped_low: whether so many have the smallest value that lower ones must have been cut off (or masked).
        clipped_high: the same at the upper end.
        step: smallest difference of two values that occurs, if values lie on a grid; else 0.
    """

    lowest: float
    highest: float
    at_lowest: float
    at_highest: float
    clipped_low: bool
    clipped_high: bool
    step: float


def measure_intensities(image: torch.Tensor) -> Intensities:
    """Look at a sample of up to a million voxels and the extremes of all.

    Args:
        image: any shape, finite.

    Returns:
        extremes, the shares of voxels at them, and the grid of the values.
    """
    plain = image.as_subclass(torch.Tensor).detach()
    low, high = float(plain.min()), float(plain.max())
    at_low, at_high = float((plain == low).double().mean()), float((plain == high).double().mean())
    flat = plain.flatten() if plain.is_contiguous() else plain.reshape(-1)
    values = flat[:: 1 + flat.numel() // _SAMPLE].double().sort().values
    step = _grid_step(values)
    return Intensities(
        lowest=low,
        highest=high,
        at_lowest=at_low,
        at_highest=at_high,
        clipped_low=high > low and _spike(values, low, at_low, step),
        clipped_high=high > low and _spike(values, high, at_high, step),
        step=step,
    )


def _spike(values: torch.Tensor, end: float, share: float, step: float) -> bool:
    """Whether an end holds far more values than the values next to it would let expect."""
    if share < _FEW:
        return False
    inner = values[values != end]
    if not len(inner):
        return False
    # Next to the end: as wide a bin as one step of a grid, or the range of 1 % of the other values.
    width = step if step > 0 else float(inner[-1] - inner[0]) / 256
    near = ((inner - end).abs() <= 4 * width).double().sum() / 4 / len(values)
    return share > _SPIKE * max(float(near), 1.0 / len(values)) or (step == 0 and share > 10 * _FEW)


def _grid_step(values: torch.Tensor) -> float:
    """Spacing of a grid that all values lie on; 0 if there is none or its steps are finer than float32 tells apart."""
    distinct = values.unique()
    if len(distinct) < 2:
        return 0.0
    gaps = distinct.diff()
    step = float(gaps.min())
    largest = float(values.abs().max())
    if step <= largest * 2e-6 or len(distinct) > 0.5 * len(values):
        return 0.0
    offset = (distinct - distinct[0]) / step
    return step if float((offset - offset.round()).abs().max()) < 0.05 else 0.0

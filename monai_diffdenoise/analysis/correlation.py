# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How noise is correlated between slices and within them, in blocks that are flat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch

from monai_diffdenoise.analysis.sigma import pairs_in_parts, pick_pairs, slice_stack
from monai_diffdenoise.transforms.block_noise import (
    block_mean,
    choose_blocks,
    foreground_threshold,
    live_blocks,
    log_mode,
)

__all__ = ["in_plane_correlation", "noise_correlation"]


def _second(field: torch.Tensor, axis: int) -> torch.Tensor:
    """Second difference along an axis, two shorter."""
    length = field.shape[axis] - 2
    return field.narrow(axis, 0, length) - 2 * field.narrow(axis, 1, length) + field.narrow(axis, 2, length)


def _flat_blocks(live: torch.Tensor, energy: torch.Tensor, level: torch.Tensor, threshold: float) -> torch.Tensor:
    """Blocks of the lower half: usable, and of no more energy than the mode, where structure is rare."""
    usable = choose_blocks(live, level, threshold) & (energy > 0)
    if not bool(usable.any()):
        return usable
    # a margin for rounding where all blocks are alike
    return usable & (energy <= log_mode(energy[usable]) * (1 + 1e-6))


def _blocks(parts: Iterable[tuple[torch.Tensor, ...]]) -> tuple[torch.Tensor, ...]:
    """What was measured on the blocks of each part, put together."""
    return tuple(torch.cat(measured) for measured in zip(*parts, strict=True))


def noise_correlation(volume: torch.Tensor, axis: int = -1, distance: int = 1) -> float:
    """Correlation of the noise of slices i and i + distance.

    From second differences along both axes of each slice, in blocks of the foreground whose energy does not exceed the
    mode. This removes what slices share better than first differences or local means do, and at a price: quiet blocks
    show 0.85 of the correlation, and of the noise only its fine detail counts, which may be less correlated than the
    rest. So the value is a lower bound where it is large, and up to 0.1 of it is structure where it is small.

    Args:
        volume: (X, Y, Z), finite; (H, W) is one slice.
        axis: along which the slices are stacked.
        distance: slices from one to its partner.

    Returns:
        -1 to 1; NaN without pairs, with slices under 3 pixels or without noise.
    """
    stack = slice_stack(volume, axis)
    first = pick_pairs(stack, distance)
    if not len(first) or min(stack.shape[1:]) < 3:
        return math.nan
    pairs = pairs_in_parts(stack, first)
    # numbers so large or small that their products would leave float32
    largest = max(float(stack[torch.cat([part, part + distance])].abs().max()) for part in pairs) or 1.0

    def parts() -> Iterator[tuple[torch.Tensor, ...]]:
        for part in pairs:
            a, b = stack[part] / largest, stack[part + distance] / largest
            detail_a, detail_b = (_second(_second(slices, 1), 2) for slices in (a, b))
            energies = block_mean(detail_a.square()), block_mean(detail_b.square())
            level = block_mean(((a + b) / 2)[:, 1:-1, 1:-1])
            yield *energies, block_mean(detail_a * detail_b), live_blocks(detail_a), level

    energy_a, energy_b, shared, live, level = _blocks(parts())
    flat = _flat_blocks(live, energy_a + energy_b, level, foreground_threshold(stack) / largest)
    scale = math.sqrt(float(energy_a[flat].sum()) * float(energy_b[flat].sum()))
    return float(shared[flat].sum()) / scale if scale > 0 else math.nan


def in_plane_correlation(stack: torch.Tensor, distance: int) -> tuple[float, float] | None:
    """Correlation of the noise of next pixels along both axes of the slices, from the flat blocks of their difference.

    Args:
        stack: (N, H, W), finite.
        distance: slices from one to its partner.

    Returns:
        -1 to 1 along the first and the second axis of a slice; None without pairs, pixels or noise.
    """
    first = pick_pairs(stack, distance)
    if not len(first) or min(stack.shape[1:]) < 2:
        return None
    pairs = pairs_in_parts(stack, first)
    largest = max(float((stack[part + distance] - stack[part]).abs().max()) for part in pairs) or 1.0

    def parts() -> Iterator[tuple[torch.Tensor, ...]]:
        for part in pairs:
            a, b = stack[part], stack[part + distance]
            change = (b - a) / largest
            here, down, right = change[:, :-1, :-1], change[:, 1:, :-1], change[:, :-1, 1:]
            along = block_mean(here * down), block_mean(here * right)
            yield *along, block_mean(here.square()), live_blocks(here), block_mean(((a + b) / 2)[:, :-1, :-1])

    down, right, energy, live, level = _blocks(parts())
    flat = _flat_blocks(live, energy, level, foreground_threshold(stack))
    total = float(energy[flat].sum())
    if not total > 0:
        return None
    return float(down[flat].sum()) / total, float(right[flat].sum()) / total

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise standard deviation of a field that is mostly noise: the mode of the energies of small blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch

__all__ = [
    "BLOCK",
    "block_mean",
    "block_noise_std",
    "choose_blocks",
    "foreground_threshold",
    "live_blocks",
    "log_mode",
    "noise_std_of_parts",
    "spread_slices",
    "usable_blocks",
]

BLOCK = 8
"""Side of a block in pixels: small enough to find flat places, large enough for 12 % error in each block's sigma."""

# Fewer foreground blocks than this say less than all blocks together.
_FEW_BLOCKS = 16
# So many voxels tell the threshold; a volume may be a hundred times as large.
_VOXELS = 4_000_000
_SLICES = 64


def block_mean(field: torch.Tensor, block: int = BLOCK) -> torch.Tensor:
    """Mean over in-plane blocks: (N, H, W) -> (N, H // block, W // block); smaller slices are one block."""
    tall, wide = min(block, field.shape[1]), min(block, field.shape[2])
    rows, columns = field.shape[1] // tall, field.shape[2] // wide
    cut = field[:, : rows * tall, : columns * wide]
    return cut.reshape(field.shape[0], rows, tall, columns, wide).mean((2, 4))


def foreground_threshold(slices: torch.Tensor) -> float:
    """Otsu's threshold between dark and bright blocks of slices (N, H, W); -inf where all blocks are alike.

    Blocks average the noise away. The outer 1 % at either end is clipped, so that a few very bright voxels do not
    count as the only foreground. A large volume is judged by evenly spread slices.
    """
    chosen = spread_slices(slices, _VOXELS, _SLICES)
    means = torch.cat([block_mean(slices[index : index + 1].contiguous()) for index in chosen]).flatten().double()
    ordered = means.sort().values
    low, high = (float(ordered[round(q * (len(ordered) - 1))]) for q in (0.01, 0.99))
    if not high > low:
        return -math.inf
    counts = torch.histc(means.clamp(low, high), 128, low, high)
    centers = low + (high - low) * (torch.arange(128, dtype=torch.float64, device=means.device) + 0.5) / 128
    below, first = counts.cumsum(0), (counts * centers).cumsum(0)
    split = (first[-1] * below / below[-1] - first).square() / (below * (below[-1] - below)).clamp(min=1e-9)
    return float(centers[split[:-1].argmax()])


def spread_slices(slices: torch.Tensor, voxels: int, fewest: int) -> list[int]:
    """Evenly spread indices of slices (N, H, W) that hold about ``voxels`` together; ``fewest`` or all at least."""
    count = slices.shape[0]
    wanted = min(count, max(fewest, voxels // slices[0].numel()))
    return torch.linspace(0, count - 1, wanted).round().long().tolist()


def log_mode(energies: torch.Tensor) -> float:
    """Mode of positive numbers on a logarithmic scale.

    Energies of blocks of noise follow a gamma law, and the logarithm of a gamma variable has its mode at the logarithm
    of the mean, however few independent pixels a block holds. The mode is that of a kernel density whose width comes
    from the narrowest half of the data, so a long tail of blocks with structure does not move it.
    """
    logs = energies.double().log().sort().values
    count = len(logs)
    if count < 4:
        return float(logs.median().exp())
    half = (count + 1) // 2
    spans = logs[half - 1 :] - logs[: count - half + 1]
    start = int(spans.argmin())
    # half of a normal law lies within 1.349 standard deviations
    spread = max(float(spans[start]) / 1.349, 1e-3)
    low, high = float(logs[start]) - spread, float(logs[start + half - 1]) + spread
    width = spread * count**-0.2
    near = logs[(logs > low - 3 * width) & (logs < high + 3 * width)]
    near = near[:: 1 + len(near) // 4000]
    grid = torch.linspace(low, high, 201, dtype=torch.float64, device=logs.device)
    density = (-0.5 * ((grid[:, None] - near) / width).square()).exp().sum(1)
    return float(grid[density.argmax()].exp())


def live_blocks(field: torch.Tensor) -> torch.Tensor:
    """Blocks (N, rows, columns) of a difference field that can hold noise.

    Where half of the differences are exactly 0, the background was masked or the image is saturated.
    """
    return block_mean((field == 0).float()) < 0.5


def choose_blocks(live: torch.Tensor, level: torch.Tensor, threshold: float) -> torch.Tensor:
    """Of the live blocks those whose level is above the threshold, unless they are few.

    Rician noise is narrower in the background.
    """
    bright = live & (level > threshold)
    return bright if int(bright.sum()) >= _FEW_BLOCKS else live


def usable_blocks(field: torch.Tensor, intensity: torch.Tensor, threshold: float) -> torch.Tensor:
    """Blocks (N, rows, columns) of a field that can hold noise, bright ones preferred."""
    return choose_blocks(live_blocks(field), block_mean(intensity), threshold)


def block_noise_std(field: torch.Tensor, intensity: torch.Tensor, threshold: float) -> float:
    """Standard deviation of the noise in a field of zero mean, such as a difference of slices.

    Args:
        field: (N, H, W) noise, in places with structure on top, which can only raise the energy of a block.
        intensity: (N, H, W) brightness at the same places.
        threshold: see :func:`foreground_threshold`.

    Returns:
        the mode over blocks of the root mean square, in the units of ``field``; 0 where there is no noise.
    """
    return noise_std_of_parts(lambda: [(field, intensity)], threshold)


def noise_std_of_parts(parts: Callable[[], Iterable[tuple[torch.Tensor, torch.Tensor]]], threshold: float) -> float:
    """:func:`block_noise_std` of a field that is made part by part, so that it never lies in memory as a whole.

    Args:
        parts: makes the parts, (field, intensity) of some slices each; it is called twice.
        threshold: see :func:`foreground_threshold`.
    """
    largest = max((float(field.abs().max()) for field, _ in parts() if field.numel()), default=0.0)
    if not largest > 0:
        return 0.0
    measured = []
    for field, intensity in parts():
        scaled = field / largest  # squares of very small numbers would vanish
        measured.append((block_mean(scaled.square()), live_blocks(scaled), block_mean(intensity)))
    energies, live, level = (torch.cat(blocks) for blocks in zip(*measured, strict=True))
    energies = energies[choose_blocks(live, level, threshold)]
    energies = energies[energies > 0]
    return largest * math.sqrt(log_mode(energies)) if len(energies) else 0.0

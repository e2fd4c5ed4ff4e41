# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise standard deviation of a field that is mostly noise: the mode of the energies of small blocks."""

from __future__ import annotations

import math

import torch

__all__ = ["BLOCK", "block_mean", "block_noise_std", "foreground_threshold", "log_mode", "usable_blocks"]

BLOCK = 8
"""Side of a block in pixels: small enough to find flat places, large enough for 12 % error in each block's sigma."""

# Fewer foreground blocks than this say less than all blocks together.
_FEW_BLOCKS = 16


def block_mean(field: torch.Tensor, block: int = BLOCK) -> torch.Tensor:
    """Mean over in-plane blocks: (N, H, W) -> (N, H // block, W // block); smaller slices are one block."""
    tall, wide = min(block, field.shape[1]), min(block, field.shape[2])
    rows, columns = field.shape[1] // tall, field.shape[2] // wide
    cut = field[:, : rows * tall, : columns * wide]
    return cut.reshape(field.shape[0], rows, tall, columns, wide).mean((2, 4))


def foreground_threshold(slices: torch.Tensor) -> float:
    """Otsu's threshold between dark and bright blocks of slices (N, H, W); -inf where all blocks are alike.

    Blocks average the noise away. The outer 1 % at either end is clipped, so that a few very bright voxels do not
    count as the only foreground.
    """
    means = block_mean(slices).flatten().double()
    ordered = means.sort().values
    low, high = (float(ordered[round(q * (len(ordered) - 1))]) for q in (0.01, 0.99))
    if not high > low:
        return -math.inf
    counts = torch.histc(means.clamp(low, high), 128, low, high)
    centers = low + (high - low) * (torch.arange(128, dtype=torch.float64, device=means.device) + 0.5) / 128
    below, first = counts.cumsum(0), (counts * centers).cumsum(0)
    split = (first[-1] * below / below[-1] - first).square() / (below * (below[-1] - below)).clamp(min=1e-9)
    return float(centers[split[:-1].argmax()])


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


def usable_blocks(field: torch.Tensor, intensity: torch.Tensor, threshold: float) -> torch.Tensor:
    """Blocks (N, rows, columns) of a difference field that can hold noise.

    Where half of the differences are exactly 0, the background was masked or the image is saturated. Blocks brighter
    than ``threshold`` are preferred, since Rician noise is narrower in the background.
    """
    live = block_mean((field == 0).float()) < 0.5
    bright = live & (block_mean(intensity) > threshold)
    return bright if int(bright.sum()) >= _FEW_BLOCKS else live


def block_noise_std(field: torch.Tensor, intensity: torch.Tensor, threshold: float) -> float:
    """Standard deviation of the noise in a field of zero mean, such as a difference of slices.

    Args:
        field: (N, H, W) noise, in places with structure on top, which can only raise the energy of a block.
        intensity: (N, H, W) brightness at the same places.
        threshold: see :func:`foreground_threshold`.

    Returns:
        the mode over blocks of the root mean square, in the units of ``field``; 0 where there is no noise.
    """
    largest = float(field.abs().max()) if field.numel() else 0.0
    if not largest > 0:
        return 0.0
    field = field / largest  # squares of very small numbers would vanish
    energies = block_mean(field.square())[usable_blocks(field, intensity, threshold)]
    energies = energies[energies > 0]
    return largest * math.sqrt(log_mode(energies)) if len(energies) else 0.0

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Gate: was more removed at edges than elsewhere? Noise does not know where edges are."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from monai_diffdenoise.metrics.gates.gate import Gate, NoiseLevel, box, gate

__all__ = ["edge_energy", "structure_gate"]

_THRESHOLD = 0.3
_EDGES, _FLAT = 0.95, 0.5
_BINS = 12
_FEWEST = 100


def edge_energy(noisy: torch.Tensor, denoised: torch.Tensor) -> float | None:
    """Energy of what was removed at edges over that at flat places of the same brightness; None if it cannot be said.

    Edges are the steepest twentieth of the smoothed denoised image. Noise alone gives 1 or less, since much of it stays
    at edges.

    Args:
        noisy: slices (N, H, W).
        denoised: same shape.
    """
    smooth = box(box(denoised, 3), 3)
    steep = torch.zeros_like(smooth)
    for axis in (1, 2):
        if smooth.shape[axis] > 1:
            steep += torch.gradient(smooth, dim=axis)[0].square()
    removed = (noisy - denoised).square()
    # places without noise (masked air) say nothing about it
    live = box(removed, 5) > 1e-3 * removed.mean()
    if int(live.sum()) < _FEWEST:
        return None
    # the top of a ridge is not steep, but no flat place either
    near = F.max_pool2d(steep[:, None], 7, 1, 3)[:, 0][live]
    steep, bright, removed = steep[live], smooth[live], removed[live]
    step = 1 + len(steep) // 500_000
    flat = near <= torch.quantile(near[::step], _FLAT)
    edge = steep > torch.quantile(steep[::step], _EDGES)
    limits = torch.quantile(bright[edge][:: 1 + int(edge.sum()) // 500_000], torch.linspace(0, 1, _BINS + 1))[1:-1]
    place = torch.bucketize(bright, limits.contiguous())
    energies, counts = [], []
    for chosen in (flat, edge):
        weight = chosen.double()
        counts.append(torch.zeros(_BINS, dtype=torch.float64).index_add_(0, place, weight))
        energies.append(torch.zeros(_BINS, dtype=torch.float64).index_add_(0, place, weight * removed))
    known = counts[0] >= _FEWEST
    if not bool(known.any()):
        return None
    level = _fill(energies[0] / counts[0].clamp_min(1), known)
    expected = float((level * counts[1]).sum())
    return float(energies[1].sum()) / expected if expected > 0 else None


def structure_gate(noisy: torch.Tensor, denoised: torch.Tensor, noise: NoiseLevel) -> Gate:
    """Whether more was removed at edges than at flat places of the same brightness.

    Args:
        noisy: slices (N, H, W).
        denoised: same shape.
        noise: not asked; the image is its own measure.
    """
    ratio = edge_energy(noisy, denoised)
    if ratio is None:
        return gate("structure removed", 0.0, _THRESHOLD, "nothing was removed, or no flat place is there to compare")
    text = f"what was removed has {ratio:.2f} times the energy at edges that it has at flat places as bright"
    return gate("structure removed", max(ratio - 1.0, 0.0), _THRESHOLD, text)


def _fill(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Put the nearest known values where none are known, straight lines between two."""
    at = torch.arange(len(values), dtype=torch.float64)
    right = torch.searchsorted(at[known], at).clamp(max=int(known.sum()) - 1)
    left = (right - 1).clamp(min=0)
    one, two = at[known][left], at[known][right]
    share = torch.where(two > one, ((at - one) / (two - one).clamp_min(1)).clamp(0, 1), 1.0)
    return values[known][left] * (1 - share) + values[known][right] * share

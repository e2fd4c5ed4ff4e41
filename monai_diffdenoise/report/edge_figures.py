# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Figures of what denoising did to edges and to means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from monai_diffdenoise.metrics.gates import ClassDrift, as_slices
from monai_diffdenoise.metrics.gates.gate import box
from monai_diffdenoise.report.canvas import ACCENT, INK, PALE, SECOND, one_axes

if TYPE_CHECKING:
    from monai_diffdenoise.report.canvas import Figure

__all__ = ["EdgeProfile", "drift_figure", "edge_profile", "edge_profile_figure"]

_REACH = 6
_SLICES = 32
_STEEPEST = 0.998
_FEWEST = 30


@dataclass(frozen=True, eq=False)
class EdgeProfile:
    """Mean profile across the steepest edges, along rows and columns.

    Args:
        at: (K,) places in pixels, 0 is the edge.
        noisy: (K,) from the dark side to the bright one, input units.
        denoised: (K,).
        edges: how many were averaged.
    """

    at: np.ndarray
    noisy: np.ndarray
    denoised: np.ndarray
    edges: int


def edge_profile(noisy: torch.Tensor, denoised: torch.Tensor, *, axis: int = -1) -> EdgeProfile | None:
    """Average what lies across the steepest edges of the denoised image; None where there are too few.

    Args:
        noisy: (C, X, Y) or (C, X, Y, Z).
        denoised: same shape.
        axis: spatial axis of the slices.

    Returns:
        mean profiles before and after, or None.
    """
    one, two = as_slices(noisy, axis), as_slices(denoised, axis)
    step = 1 + len(one) // _SLICES
    one, two = one[::step], two[::step]
    smooth = box(two, 3)
    tables: list[torch.Tensor] = []
    gradients = [torch.gradient(smooth, dim=d)[0] if smooth.shape[d] > 2 * _REACH + 1 else None for d in (1, 2)]
    sizes = torch.cat([g.abs().flatten()[:: 1 + g.numel() // 500_000] for g in gradients if g is not None] or [one[:0]])
    if not sizes.numel() or not float(sizes.max()) > 0:
        return None
    limit = float(torch.quantile(sizes, _STEEPEST))
    for dim, slope in zip((1, 2), gradients, strict=True):
        if slope is None:
            continue
        size = slope.abs()
        inner = size.narrow(dim, _REACH, size.shape[dim] - 2 * _REACH)
        before = size.narrow(dim, _REACH - 1, inner.shape[dim])
        after = size.narrow(dim, _REACH + 1, inner.shape[dim])
        places = ((inner >= limit) & (inner >= before) & (inner > after)).nonzero()[:20_000]
        index = [places[:, d, None].expand(-1, 2 * _REACH + 1) for d in range(3)]
        index[dim] = places[:, dim, None] + torch.arange(2 * _REACH + 1)
        rising = torch.sign(slope[tuple(part[:, _REACH] for part in index)])
        lines = torch.stack([image[tuple(index)] for image in (one, two)])
        tables.append(torch.where(rising[:, None] < 0, lines.flip(-1), lines))
    table = torch.cat(tables, dim=1).double()
    if table.shape[1] < _FEWEST:
        return None
    means = table.mean(dim=1).numpy()
    return EdgeProfile(np.arange(-_REACH, _REACH + 1), means[0], means[1], table.shape[1])


def edge_profile_figure(profile: EdgeProfile) -> Figure:
    """The mean edge before and after: a flatter one was smoothed."""
    figure, axes = one_axes("pixels from the edge", "mean value (input units)")
    axes.plot(profile.at, profile.noisy, "o-", color=SECOND, lw=1.2, ms=3.5, label="noisy")
    axes.plot(profile.at, profile.denoised, color=ACCENT, lw=1.8, label="denoised")
    axes.axvline(0, color=PALE, lw=0.8)
    axes.legend(fontsize=8.5, frameon=False, labelcolor=INK, title=None)
    return figure


def drift_figure(drifts: Sequence[ClassDrift]) -> Figure:
    """How far the mean of each class of brightness moved, with four standard errors.

    Args:
        drifts: of :func:`~monai_diffdenoise.metrics.gates.class_drifts`.
    """
    figure, axes = one_axes("moved (input units)", "class (mean brightness)")
    at = np.arange(len(drifts))
    moved = [part.drift for part in drifts]
    axes.barh(at, moved, color=ACCENT, height=0.55)
    axes.errorbar(moved, at, xerr=[4 * part.error for part in drifts], fmt="none", ecolor=INK, capsize=3, lw=1)
    axes.set_yticks(at, [f"{part.brightness:.3g}" for part in drifts])
    axes.axvline(0, color=INK, lw=0.8)
    reach = max([abs(part.drift) + 4 * part.error for part in drifts] + [0.1 * part.sigma for part in drifts] + [1e-9])
    axes.set_xlim(-1.15 * reach, 1.15 * reach)
    return figure

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Figures of what was removed: its distribution, its spectrum, and where it is more than noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from monai_diffdenoise.analysis import NoiseSpectrum
from monai_diffdenoise.metrics.gates import NoiseLevel, as_slices
from monai_diffdenoise.metrics.gates.gate import box
from monai_diffdenoise.report.canvas import ACCENT, INK, PALE, SECOND, log_scale, one_axes

if TYPE_CHECKING:
    from monai_diffdenoise.report.canvas import Figure

__all__ = ["removed_energy", "residual_histogram_figure", "residual_spectrum_figure"]

_VALUES = 1_000_000
_SLICES = 32
_AROUND = 9
_TALLEST = 4


def residual_histogram_figure(noisy: torch.Tensor, denoised: torch.Tensor, *, sigma: float | None = None) -> Figure:
    """How what was removed is distributed, on a logarithmic scale, beside a normal law.

    Args:
        noisy: any shape.
        denoised: same shape, same units.
        sigma: measured standard deviation of the noise, drawn for comparison; None draws that of the residual alone.
    """
    one, two = (part.as_subclass(torch.Tensor).flatten() for part in (noisy, denoised))
    step = 1 + len(one) // _VALUES
    removed = (one[::step].double() - two[::step].double()).numpy()
    spread = float(removed.std())
    figure, axes = one_axes("removed (input units)", "density")
    if not spread > 0:
        axes.text(0.5, 0.5, "nothing was removed", ha="center", color=INK, transform=axes.transAxes)
        return figure
    reach = 5 * max(spread, sigma or 0.0)
    density, edges = np.histogram(removed, 120, (-reach, reach), density=True)
    centers = (edges[1:] + edges[:-1]) / 2
    axes.fill_between(centers, density, step="mid", color=PALE, alpha=0.6, lw=0)
    axes.step(centers, density, where="mid", color=ACCENT, lw=1.4, label=f"removed, deviation {spread:.3g}")
    if sigma:
        law = np.exp(-(centers**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
        axes.plot(centers, law, color=SECOND, lw=1.2, ls="--", label=f"normal, noise {sigma:.3g}")
    axes.axvline(0, color=INK, lw=0.8)
    top = float(density.max())
    axes.set_ylim(top * 1e-5, top * 12)
    log_scale(axes)
    axes.legend(fontsize=8.5, frameon=False, loc="upper center", labelcolor=INK)
    return figure


def residual_spectrum_figure(
    noisy: torch.Tensor, denoised: torch.Tensor, *, axis: int = -1, noise: Mapping[str, Any] | None = None
) -> Figure:
    """Power of what was removed by frequency, beside that of the noise as it was measured.

    Args:
        noisy: (C, X, Y) or (C, X, Y, Z).
        denoised: same shape.
        axis: spatial axis of the slices.
        noise: ``NoiseMeasurement.to_json()``.
    """
    one, two = as_slices(noisy, axis), as_slices(denoised, axis)
    step = 1 + len(one) // _SLICES
    removed = (one[::step] - two[::step]).double()
    removed = removed - removed.mean(dim=(1, 2), keepdim=True)
    window = torch.hann_window(removed.shape[1], False, dtype=torch.float64)[:, None] * torch.hann_window(
        removed.shape[2], False, dtype=torch.float64
    )
    power = torch.fft.fft2(removed * window).abs().square().mean(0) / window.square().sum()
    figure, axes = one_axes("cycles per pixel", "power (input units squared)", xlim=(0, 0.5))
    removed_power = _radial(power)
    axes.plot(*removed_power, color=ACCENT, lw=1.5, label="removed")
    usual = float(np.median(removed_power[1]))
    if noise is not None:
        plane = noise["in_plane"]
        expected = NoiseSpectrum(torch.tensor(plane["autocorrelation"]), plane["error"] or 0.0, 0.0).power(128, 128)
        law = _radial(expected * noise["sigma"] ** 2)
        axes.plot(*law, color=SECOND, lw=1.3, ls="--", label="noise, as measured")
        usual = max(usual, float(law[1].max()))
    # what moved slowly, such as a mean, would leave nothing else to see
    axes.set_ylim(0, 1.1 * min(max(float(removed_power[1].max()), usual), _TALLEST * usual) or 1.0)
    axes.legend(fontsize=8.5, frameon=False, labelcolor=INK)
    return figure


def removed_energy(noisy: torch.Tensor, denoised: torch.Tensor, noise: NoiseLevel) -> torch.Tensor:
    """What was removed around each pixel over the noise that is expected there, both as standard deviations.

    Args:
        noisy: slices (N, H, W).
        denoised: same shape.
        noise: its level.

    Returns:
        (N, H, W); 1 where it is the noise, above where it is more, such as along edges that were smoothed.
    """
    return box((noisy - denoised).square(), _AROUND).sqrt() / noise.deviation(box(denoised, _AROUND))


def _radial(power: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean power by frequency, of a spectrum (H, W) in the order of ``fft2``."""
    down, right = (torch.fft.fftfreq(size, dtype=torch.float64) for size in power.shape)
    radius = (down[:, None].square() + right[None].square()).sqrt().flatten()
    place = (radius * 60).long()
    counts, sums = torch.bincount(place), torch.bincount(place, power.flatten())
    kept = (torch.arange(len(counts)) < 30) & (counts > 0)
    return ((torch.arange(len(counts)) + 0.5) / 60)[kept].numpy(), (sums / counts.clamp_min(1))[kept].numpy()

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Figures of the noise and of the training, from what a run records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from monai_diffdenoise.analysis import NoiseFamily, NoiseSpectrum
from monai_diffdenoise.report.canvas import ACCENT, INK, PALE, SECOND, log_scale, one_axes

if TYPE_CHECKING:
    from monai_diffdenoise.report.canvas import Figure

__all__ = ["noise_correlation_figure", "noise_level_figure", "noise_power_figure", "training_figure"]

_CLEAN = 1.4


def noise_level_figure(noise: Mapping[str, Any]) -> Figure:
    """Standard deviation of the noise by brightness: what was measured, and the law.

    Args:
        noise: ``NoiseMeasurement.to_json()``, as in a run's ``report["plan"]["noise"]``.
    """
    curve = {name: np.asarray(values) for name, values in noise["curve"].items()}
    deviation, clean = np.sqrt(curve["variance"]), curve["structure"] < _CLEAN
    figure, axes = one_axes("brightness (input units)", "noise deviation (input units)")
    if clean.any():
        axes.plot(curve["mean"][clean], deviation[clean], "o", color=SECOND, ms=4, label="places without anatomy")
    if not clean.all():
        axes.plot(curve["mean"][~clean], deviation[~clean], "x", color=PALE, ms=4, label="with anatomy")
    grid = np.linspace(curve["mean"].min(), curve["mean"].max(), 200)
    law = np.sqrt(NoiseFamily(**noise["family"]).variance(grid))
    axes.plot(grid, law, color=ACCENT, lw=1.6, label=noise["family"]["name"])
    shown = deviation[clean] if clean.any() else deviation
    axes.set_ylim(0, 1.5 * max(float(shown.max()), float(law.max())))
    axes.legend(fontsize=8.5, frameon=False, labelcolor=INK)
    return figure


def noise_correlation_figure(noise: Mapping[str, Any]) -> Figure:
    """Correlation of the noise within slices, by lag.

    Args:
        noise: see :func:`noise_level_figure`.
    """
    field = np.asarray(noise["in_plane"]["autocorrelation"])
    reach = field.shape[0] // 2
    lags = np.arange(0, reach + 1)
    figure, axes = one_axes("lag (pixels)", "correlation", ylim=(-0.3, 1.05))
    axes.axhline(0, color=INK, lw=0.8)
    axes.plot(lags, field[reach:, reach], "o-", color=ACCENT, ms=4, lw=1.4, label="first axis of the slice")
    axes.plot(lags, field[reach, reach:], "s--", color=SECOND, ms=3.5, lw=1.2, label="second axis")
    axes.legend(fontsize=8.5, frameon=False, labelcolor=INK)
    return figure


def noise_power_figure(noise: Mapping[str, Any]) -> Figure:
    """Power spectrum of the noise along both axes of the slice.

    Args:
        noise: see :func:`noise_level_figure`.
    """
    plane = noise["in_plane"]
    power = NoiseSpectrum(torch.tensor(plane["autocorrelation"]), plane["error"] or 0.0, 0.0).power(128, 128)
    frequency = torch.fft.fftfreq(128)[:64].numpy()
    figure, axes = one_axes("cycles per pixel", "power (white noise is 1)", xlim=(0, 0.5))
    axes.axhline(1, color=PALE, lw=1)
    axes.plot(frequency, power[:64, 0].numpy(), color=ACCENT, lw=1.5, label="first axis of the slice")
    axes.plot(frequency, power[0, :64].numpy(), color=SECOND, lw=1.3, ls="--", label="second axis")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8.5, frameon=False, labelcolor=INK)
    return figure


def training_figure(validations: Sequence[float], before: float | None = None) -> Figure:
    """The self-supervised error at each validation.

    Args:
        validations: ``report["scores"]["validations"]``.
        before: the same error without denoising.
    """
    values = np.asarray(validations, dtype=np.float64)
    figure, axes = one_axes("validation", "error against noisy targets")
    axes.plot(np.arange(1, len(values) + 1), values, "o-", color=ACCENT, ms=3.5, lw=1.4, label="after denoising")
    if len(values):
        best = int(np.nanargmin(values))
        axes.plot(best + 1, values[best], "o", ms=9, mfc="none", mec=SECOND, mew=1.6, label="best, used")
    if before is not None and np.isfinite(before):
        axes.axhline(before, color=INK, lw=1, ls=":", label="before")
    axes.locator_params(axis="x", integer=True)
    log_scale(axes)
    axes.legend(fontsize=8.5, frameon=False, labelcolor=INK)
    return figure

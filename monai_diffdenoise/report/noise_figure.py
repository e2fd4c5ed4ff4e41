# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The noise of an image in one figure: level by brightness, correlation, power spectrum, estimators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from monai_diffdenoise.analysis import NoiseMeasurement
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.report.canvas import ACCENT, ENDINGS, INK, PALE, blank, save_figure

if TYPE_CHECKING:
    from monai_diffdenoise.report.canvas import Axes

__all__ = ["save_noise_figure"]


def save_noise_figure(measurement: NoiseMeasurement, path: Path, *, overwrite: bool = False) -> None:
    """Draw four panels and write them, complete or not at all.

    Args:
        measurement: from :func:`~monai_diffdenoise.analysis.measure_noise`.
        path: .png, .svg or .pdf.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: another ending, or matplotlib is not installed.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"got figure {path}; expected a name that ends in {', '.join(ENDINGS)}")
    figure = blank(10, 7.5)
    axes = figure.subplots(2, 2)
    _draw_levels(axes[0, 0], measurement)
    _draw_estimates(axes[0, 1], measurement)
    _draw_correlation(figure, axes[1, 0], measurement)
    _draw_power(axes[1, 1], measurement)
    save_figure(figure, path, overwrite=overwrite)


def _draw_levels(axes: Axes, measurement: NoiseMeasurement) -> None:
    curve = measurement.curve
    used, _ = curve.trusted()
    sigma = np.sqrt(curve.variance)
    error = curve.relative_error() / 2 * sigma
    places = "places without anatomy" if measurement.certain else "flattest places"
    axes.errorbar(curve.mean[used], sigma[used], error[used], fmt="o", color=INK, ms=4, label=places)
    if not used.all():
        axes.plot(curve.mean[~used], sigma[~used], "x", color=PALE, label="with anatomy, not used")
    grid = np.linspace(curve.mean.min(), curve.mean.max(), 200)
    axes.plot(grid, measurement.sigma_at(grid), color=ACCENT, label=measurement.family.name)
    highest = max(float(sigma[used].max()), float(measurement.sigma_at(grid).max()))
    axes.set(xlabel="brightness", ylabel="noise standard deviation", ylim=(0, 1.4 * highest))
    axes.set_title("Level by brightness (input units)")
    axes.legend(fontsize=8)


def _draw_estimates(axes: Axes, measurement: NoiseMeasurement) -> None:
    names = list(measurement.estimates)
    values = [measurement.estimates[name] for name in names]
    colors = [ACCENT if name == measurement.basis else PALE for name in names]
    axes.barh(range(len(names)), values, color=colors)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.invert_yaxis()
    axes.axvline(measurement.sigma, color=INK, lw=1)
    axes.set(xlabel="sigma (input units)")
    axes.set_title(f"Estimates; used: {measurement.basis}" + ("" if measurement.certain else " (an upper bound)"))


def _draw_correlation(figure: Any, axes: Axes, measurement: NoiseMeasurement) -> None:
    spectrum = measurement.spectrum
    reach = spectrum.reach
    shown = axes.imshow(
        spectrum.autocorrelation.numpy(), cmap="RdBu_r", vmin=-1, vmax=1, extent=(-reach - 0.5, reach + 0.5) * 2
    )
    figure.colorbar(shown, ax=axes, shrink=0.8)
    axes.set(xlabel="lag along the second axis (pixels)", ylabel="lag along the first axis (pixels)")
    axes.set_title("Correlation within slices: " + ("white" if spectrum.white else "correlated"))


def _draw_power(axes: Axes, measurement: NoiseMeasurement) -> None:
    power = measurement.spectrum.power(128, 128)
    frequency = torch.fft.fftfreq(128)
    radius = (frequency[:, None].square() + frequency[None, :].square()).sqrt()
    edges = torch.linspace(0, 0.5, 26)
    centers = (edges[1:] + edges[:-1]) / 2
    mean = [float(power[(radius >= a) & (radius < b)].mean()) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    axes.plot(centers.numpy(), mean, color=ACCENT, label="radial mean")
    axes.plot(frequency[:64].numpy(), power[:64, 0].numpy(), color=INK, lw=0.8, label="first axis")
    axes.plot(frequency[:64].numpy(), power[0, :64].numpy(), color=INK, lw=0.8, ls="--", label="second axis")
    axes.axhline(1, color=PALE, lw=1)
    axes.set(xlabel="cycles per pixel", ylabel="power (white noise is 1)", xlim=(0, 0.5))
    axes.set_ylim(bottom=0)
    axes.set_title("Noise power spectrum")
    axes.legend(fontsize=8)

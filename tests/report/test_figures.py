# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Every figure that a user may ask for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_diffdenoise import report as figures
from monai_diffdenoise.metrics.gates import NoiseLevel, class_drifts
from monai_diffdenoise.metrics.gates.gate import as_slices, box
from monai_diffdenoise.report.canvas import svg_text
from tests.report.conftest import Record

pytest.importorskip("matplotlib")

_DRAW: dict[str, Callable[[Record], Any]] = {
    "histogram": lambda r: figures.residual_histogram_figure(r.noisy, r.volume.image, sigma=8.0),
    "spectrum": lambda r: figures.residual_spectrum_figure(r.noisy, r.volume.image, noise=r.report["plan"]["noise"]),
    "level": lambda r: figures.noise_level_figure(r.report["plan"]["noise"]),
    "correlation": lambda r: figures.noise_correlation_figure(r.report["plan"]["noise"]),
    "power": lambda r: figures.noise_power_figure(r.report["plan"]["noise"]),
    "training": lambda r: figures.training_figure(r.report["scores"]["validations"], 2.0),
    "planes": lambda r: figures.planes_figure(r.noisy, r.volume.image.as_tensor()),
}


@pytest.mark.parametrize("name", _DRAW)
def test_figure_is_drawn_and_saved(record: Record, name: str, tmp_path: Path) -> None:
    figure = _DRAW[name](record)
    assert all(axes.has_data() for axes in figure.axes)
    figures.save_figure(figure, tmp_path / "f.svg")
    assert (tmp_path / "f.svg").stat().st_size > 2000


def test_spectrum_of_white_noise_is_its_variance(record: Record) -> None:
    figure = figures.residual_spectrum_figure(record.noisy, record.volume.image)
    power = figure.axes[0].lines[0].get_ydata()
    assert np.mean(power) == pytest.approx((0.8 * 8) ** 2, rel=0.1)


def test_histogram_of_nothing(record: Record) -> None:
    figure = figures.residual_histogram_figure(record.noisy, record.noisy)
    assert "nothing was removed" in figure.axes[0].texts[0].get_text()


def test_smoothed_edges_are_flatter(record: Record) -> None:
    noisy = as_slices(record.noisy)
    honest = figures.edge_profile(noisy, as_slices(record.volume.image))
    smoothed = figures.edge_profile(noisy, box(as_slices(record.volume.image), 5))
    assert honest is not None
    assert smoothed is not None
    steps = [np.max(np.diff(part.denoised)) / np.max(np.diff(part.noisy)) for part in (honest, smoothed)]
    assert steps[0] == pytest.approx(1.0, abs=0.1)
    assert steps[1] < 0.8
    assert np.ptp(honest.noisy) > 20
    assert figures.edge_profile_figure(honest).axes[0].has_data()
    assert figures.edge_profile(torch.zeros(2, 8, 8), torch.zeros(2, 8, 8)) is None


def test_drift_figure_has_a_bar_a_class(record: Record) -> None:
    drifts = class_drifts(as_slices(record.noisy), as_slices(record.volume.image) + 1, NoiseLevel(8.0))
    bars = figures.drift_figure(drifts).axes[0].patches
    assert [bar.get_width() for bar in bars] == pytest.approx([part.drift for part in drifts])


def test_removed_energy_is_one_for_noise_and_more_at_lost_edges(record: Record) -> None:
    noisy, denoised = as_slices(record.noisy), as_slices(record.volume.image)
    energy = figures.removed_energy(noisy, denoised, NoiseLevel(8.0))
    assert float(energy.mean()) == pytest.approx(0.8, abs=0.05)
    lost = figures.removed_energy(noisy, box(denoised, 5), NoiseLevel(8.0))
    assert float(lost.max()) > 1.8 > float(energy.max())


def test_text_of_a_figure_takes_the_colors_of_the_page() -> None:
    text = svg_text(figures.training_figure([0.031, 0.02, 0.009]), "name", "label")
    # numbers with powers take their color from the group around them
    found = re.findall(r'(?:<g style="[^>]*>\s*)?<text[^>]*>', text)
    assert len(found) > 5
    assert all("fill: var(--ink)" in one for one in found)
    assert "#000" not in text
    assert re.findall(r' id="(?!name-)', text) == []

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The report of a run: one HTML file that needs nothing but itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from monai_diffdenoise.data.atomic import atomic_file
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.gates import ClassDrift, NoiseLevel, class_drifts
from monai_diffdenoise.report.canvas import svg_text
from monai_diffdenoise.report.edge_figures import drift_figure, edge_profile, edge_profile_figure
from monai_diffdenoise.report.page import render, trusted_html
from monai_diffdenoise.report.pictures import picture_values
from monai_diffdenoise.report.record_figures import (
    noise_correlation_figure,
    noise_level_figure,
    noise_power_figure,
    training_figure,
)
from monai_diffdenoise.report.residual_figures import residual_histogram_figure, residual_spectrum_figure
from monai_diffdenoise.report.sample import noise_level, sample_voxels, slice_sample
from monai_diffdenoise.report.words import gate_values, headline, plan_lines, record_values, verdict_values

__all__ = ["check_report", "write_report"]


def check_report(path: str | Path) -> None:
    """Refuse a report that could not be written, before any work is done.

    Raises:
        InputError: another ending than .html, or matplotlib or Jinja2 is not installed.
    """
    if Path(path).suffix.lower() != ".html":
        raise InputError(f"got report {path}; expected a name that ends in .html")
    if any(importlib.util.find_spec(name) is None for name in ("matplotlib", "jinja2")):
        raise InputError(
            "reports need matplotlib and jinja2, which are not installed: pip install 'monai-diffdenoise[report]'"
        )


def write_report(
    path: str | Path,
    volume: Volume,
    noisy: torch.Tensor,
    report: Mapping[str, Any],
    *,
    maps: Mapping[str, torch.Tensor] | None = None,
    stages: Mapping[str, torch.Tensor] | None = None,
    command: str = "",
    overwrite: bool = False,
) -> None:
    """Write the report of a run, complete or not at all.

    Args:
        path: a name that ends in .html.
        volume: denoised.
        noisy: the image as it was read, (C, *S).
        report: what the run recorded, ``Result.report``.
        maps: further images (C, *S): "share", "uncertainty".
        stages: name to what each stage of a run with several made, (C, *S), in their order.
        command: that reproduces the run, without names of files.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: see :func:`check_report`, or the file must not be replaced.
    """
    check_report(path)
    noise = report["plan"].get("noise")
    level = noise_level(noise, report["plan"].get("sigma"))
    axis = volume.slice_axis
    voxels = sample_voxels()
    before, after = (slice_sample(image, axis, voxels) for image in (noisy, volume.image))
    drifts = [] if level is None else class_drifts(before, after, level)
    pictures = picture_values(volume, noisy, level, maps or {}, stages or {})
    values = {
        **pictures,
        **verdict_values(report),
        **record_values(report, command),
        "headline": headline(report),
        "gates": gate_values(report),
        "reasons": plan_lines(report),
        "warnings": list(report.get("warnings", ())),
        "removed_charts": _removed_charts(before, after, level, noise),
        "drifts": [_drift_row(part) for part in drifts],
        "drift_chart": _chart(drift_figure(drifts), "drift", "How far the mean of each class moved") if drifts else "",
        "units": "",
        **_noise_values(noise),
        **_training_values(report.get("scores", {})),
    }
    page = render("report.html", values, script="script.js")
    with atomic_file(Path(path), overwrite=overwrite) as stream:
        stream.write(page.encode())


def _chart(figure: Any, name: str, label: str) -> Any:
    return trusted_html(svg_text(figure, name, label))


def _removed_charts(
    before: torch.Tensor, after: torch.Tensor, level: NoiseLevel | None, noise: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    sigma = None if level is None else level.sigma
    charts = [
        {
            "title": "Distribution",
            "text": "Removed noise follows the law of the noise. Heavy tails are outliers, or edges.",
            "svg": _chart(
                residual_histogram_figure(before, after, sigma=sigma), "hist", "Histogram of what was removed"
            ),
        },
        {
            "title": "Spectrum",
            "text": "Close to the noise: all of it was removed. Above it at low frequencies: anatomy went with it.",
            "svg": _chart(
                residual_spectrum_figure(before, after, noise=noise), "spectrum", "Power spectrum of what was removed"
            ),
        },
    ]
    profile = edge_profile(before, after)
    if profile is not None:
        charts.append(
            {
                "title": "Across edges",
                "text": f"Mean over the {profile.edges} steepest edges. The two lines should lie on each other.",
                "svg": _chart(edge_profile_figure(profile), "edges", "Mean profile across edges, before and after"),
            }
        )
    return charts


def _drift_row(part: ClassDrift) -> dict[str, str]:
    return {
        "name": f"{part.low:.4g} to {part.high:.4g}",
        "share": f"{part.share:.0%}",
        "before": f"{part.brightness:.4g}",
        "moved": f"{part.drift:+.3g}",
        "error": f"{part.error:.2g}",
        "sigma": f"{part.sigma:.3g}",
    }


def _noise_values(noise: Mapping[str, Any] | None) -> dict[str, Any]:
    if noise is None:
        return {"noise_charts": [], "noise_text": ""}
    seen = {"slices": "differences of next slices", "repeats": "differences of repeats"}
    text = (
        f"Standard deviation {noise['sigma']:.4g} in input units{'' if noise['certain'] else ' at most'}, seen in "
        f"{seen.get(noise['basis'], 'flat places of single images')}; its law is {noise['family']['name']}, and it is "
        f"{'not correlated' if noise['in_plane']['white'] else 'correlated'} within slices."
    )
    parts: Sequence[tuple[str, str, Any, str]] = (
        ("Level by brightness", "What was measured, and the law that was fitted.", noise_level_figure, "level"),
        ("Correlation", "0 beyond lag 0 is white noise.", noise_correlation_figure, "correlation"),
        ("Spectrum", "Falls where the scanner or its software smoothed.", noise_power_figure, "power"),
    )
    charts = [
        {"title": title, "text": note, "svg": _chart(draw(noise), f"noise-{name}", f"Noise: {title.lower()}")}
        for title, note, draw, name in parts
    ]
    return {"noise_charts": charts, "noise_text": text}


def _training_values(scores: Mapping[str, Any]) -> dict[str, Any]:
    history = scores.get("validations")
    if not isinstance(history, list) or not history:
        return {"training_chart": "", "training_text": ""}
    # without pairs, the image compared with itself says nothing of the error before
    figure = training_figure(history)
    best = scores.get("best_validation")
    text = f"{len(history)} validations against noisy targets that the training did not see" + (
        f"; the weights of number {best} were used." if best else "."
    )
    return {
        "training_chart": _chart(figure, "training", "Self-supervised error at each validation"),
        "training_text": text,
    }

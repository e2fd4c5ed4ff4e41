# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Figures and pages of what was measured and what was done; each figure is a function of its own."""

from __future__ import annotations

from monai_diffdenoise.report.canvas import save_figure
from monai_diffdenoise.report.edge_figures import drift_figure, edge_profile, edge_profile_figure
from monai_diffdenoise.report.noise_figure import save_noise_figure
from monai_diffdenoise.report.planes_figure import planes_figure
from monai_diffdenoise.report.record_figures import (
    noise_correlation_figure,
    noise_level_figure,
    noise_power_figure,
    training_figure,
)
from monai_diffdenoise.report.residual_figures import (
    removed_energy,
    residual_histogram_figure,
    residual_spectrum_figure,
)
from monai_diffdenoise.report.write_report import write_report

__all__ = [
    "drift_figure",
    "edge_profile",
    "edge_profile_figure",
    "noise_correlation_figure",
    "noise_level_figure",
    "noise_power_figure",
    "planes_figure",
    "removed_energy",
    "residual_histogram_figure",
    "residual_spectrum_figure",
    "save_figure",
    "save_noise_figure",
    "training_figure",
    "write_report",
]

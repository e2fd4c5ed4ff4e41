# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Figures of what was measured."""

from __future__ import annotations

from monai_diffdenoise.report.noise_figure import save_noise_figure

__all__ = ["save_noise_figure"]

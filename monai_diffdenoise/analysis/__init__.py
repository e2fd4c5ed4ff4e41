# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure before anything is done: noise, its correlation, and what the slices of a volume have in common."""

from __future__ import annotations

from monai_diffdenoise.analysis.correlation import noise_correlation
from monai_diffdenoise.analysis.sigma import (
    best_sigma,
    sigma_in_plane,
    sigma_second_difference,
    sigma_slice_difference,
)
from monai_diffdenoise.analysis.slices import (
    SliceMeasurement,
    choose_axis_and_distance,
    measure_slices,
    pairing_verdict,
)

__all__ = [
    "SliceMeasurement",
    "best_sigma",
    "choose_axis_and_distance",
    "measure_slices",
    "noise_correlation",
    "pairing_verdict",
    "sigma_in_plane",
    "sigma_second_difference",
    "sigma_slice_difference",
]

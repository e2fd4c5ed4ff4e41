# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure before anything is done: noise, its correlation, and what the slices of a volume have in common."""

from __future__ import annotations

from monai_diffdenoise.analysis.correlation import noise_correlation
from monai_diffdenoise.analysis.intensities import Intensities, measure_intensities
from monai_diffdenoise.analysis.measure_noise import NoiseMeasurement, measure_noise
from monai_diffdenoise.analysis.noise_family import NoiseCurve, NoiseFamily, fit_family
from monai_diffdenoise.analysis.noise_shape import LevelVariation, level_variation, noise_skewness
from monai_diffdenoise.analysis.noise_spectrum import NoiseSpectrum, measure_spectrum
from monai_diffdenoise.analysis.sigma import (
    best_sigma,
    sigma_in_plane,
    sigma_second_difference,
    sigma_slice_difference,
)
from monai_diffdenoise.analysis.sigma_estimators import sigma_background, sigma_laplacian, sigma_patch_pca
from monai_diffdenoise.analysis.slice_correlation import SliceCorrelation, measure_slice_correlation
from monai_diffdenoise.analysis.slices import (
    SliceMeasurement,
    choose_axis_and_distance,
    measure_slices,
    pairing_verdict,
)

__all__ = [
    "Intensities",
    "LevelVariation",
    "NoiseCurve",
    "NoiseFamily",
    "NoiseMeasurement",
    "NoiseSpectrum",
    "SliceCorrelation",
    "SliceMeasurement",
    "best_sigma",
    "choose_axis_and_distance",
    "fit_family",
    "level_variation",
    "measure_intensities",
    "measure_noise",
    "measure_slice_correlation",
    "measure_slices",
    "measure_spectrum",
    "noise_correlation",
    "noise_skewness",
    "pairing_verdict",
    "sigma_background",
    "sigma_in_plane",
    "sigma_laplacian",
    "sigma_patch_pca",
    "sigma_second_difference",
    "sigma_slice_difference",
]

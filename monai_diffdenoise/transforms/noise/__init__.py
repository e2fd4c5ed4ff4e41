# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise models with known moments, and the MONAI transforms that put their noise on images."""

from __future__ import annotations

from monai_diffdenoise.transforms.noise.add import AddNoise, AddNoised
from monai_diffdenoise.transforms.noise.correlated import GaussianKernel, Kernel
from monai_diffdenoise.transforms.noise.gaussian import GaussianNoise
from monai_diffdenoise.transforms.noise.kinds import NOISE_KINDS, noise_model
from monai_diffdenoise.transforms.noise.model import NoiseModel
from monai_diffdenoise.transforms.noise.poisson import PoissonGaussianNoise, PoissonNoise
from monai_diffdenoise.transforms.noise.rand import RandNoise, RandNoised
from monai_diffdenoise.transforms.noise.rician import NoncentralChiNoise, RicianNoise
from monai_diffdenoise.transforms.noise.speckle import GammaNoise
from monai_diffdenoise.transforms.noise.spectra import FilteredBackprojection, PowerSpectrum, ZeroFilled, fbp_spectrum
from monai_diffdenoise.transforms.noise.texture import Texture, White, expected_autocorrelation
from monai_diffdenoise.transforms.noise.varying import EdgeToCenter, LevelMap, LevelProfile

__all__ = [
    "NOISE_KINDS",
    "AddNoise",
    "AddNoised",
    "EdgeToCenter",
    "FilteredBackprojection",
    "GammaNoise",
    "GaussianKernel",
    "GaussianNoise",
    "Kernel",
    "LevelMap",
    "LevelProfile",
    "NoiseModel",
    "NoncentralChiNoise",
    "PoissonGaussianNoise",
    "PoissonNoise",
    "PowerSpectrum",
    "RandNoise",
    "RandNoised",
    "RicianNoise",
    "Texture",
    "White",
    "ZeroFilled",
    "expected_autocorrelation",
    "fbp_spectrum",
    "noise_model",
]

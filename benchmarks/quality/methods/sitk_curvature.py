# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Curvature anisotropic diffusion of ITK."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import denoise_channels, require

LABEL = "ITK curvature diffusion 3D (defaults)"
PACKAGES = ("SimpleITK",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """All defaults: 5 iterations, conductance 3; blind to the noise."""
    itk = require("SimpleITK")
    itk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        found: np.ndarray = itk.GetArrayFromImage(itk.CurvatureAnisotropicDiffusion(itk.GetImageFromArray(image)))
        return found

    return {"": denoise_channels(case, work)}

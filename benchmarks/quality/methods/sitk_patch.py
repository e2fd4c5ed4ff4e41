# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Patch-based denoising (UINTA) of ITK, slice by slice: in three dimensions a crop takes hours."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import by_slice, denoise_channels, require

LABEL = "ITK patch-based 2D (4 iterations)"
PACKAGES = ("SimpleITK",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Width of the kernel estimated from the image, four iterations: each removes a part of the noise."""
    itk = require("SimpleITK")
    itk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        # its defaults are made for images of 0 to 255
        smoother = itk.PatchBasedDenoisingImageFilter()
        smoother.KernelBandwidthEstimationOn()
        smoother.SetNumberOfIterations(4)

        def plane(values: np.ndarray) -> np.ndarray:
            found: np.ndarray = itk.GetArrayFromImage(smoother.Execute(itk.GetImageFromArray(255.0 * values)))
            return found / 255.0

        return by_slice(image, case.volume.slice_axis, plane)

    return {"": denoise_channels(case, work)}

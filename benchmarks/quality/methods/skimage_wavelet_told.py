# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Wavelets (BayesShrink) of scikit-image, averaged over shifts as in its example of cycle spinning."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import denoise_channels, require

LABEL = "scikit-image wavelets 3D, cycle spinning (true sigma)"
PACKAGES = ("scikit-image", "PyWavelets")


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Four shifts along every axis."""
    restoration = require("skimage.restoration", "scikit-image")

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        found: np.ndarray = restoration.cycle_spin(
            np.squeeze(image), restoration.denoise_wavelet, max_shifts=3, func_kw={"sigma": sigma}, workers=1
        )
        return found.reshape(image.shape)

    return {"": denoise_channels(case, work)}

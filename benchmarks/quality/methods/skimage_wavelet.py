# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Wavelets (BayesShrink) of scikit-image."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import denoise_channels, require

LABEL = "scikit-image wavelets 3D (defaults)"
PACKAGES = ("scikit-image", "PyWavelets")


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """All defaults; it estimates sigma itself."""
    restoration = require("skimage.restoration", "scikit-image")

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        found: np.ndarray = restoration.denoise_wavelet(np.squeeze(image)).reshape(image.shape)
        return found

    return {"": denoise_channels(case, work)}

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Total variation (Chambolle) of scikit-image, as strong as Chambolle's paper (2004, section 4) says."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import denoise_channels, require

LABEL = "scikit-image TV 3D (true sigma)"
PACKAGES = ("scikit-image",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """The weight at which what is removed has the standard deviation of the noise, found by bisection."""
    restoration = require("skimage.restoration", "scikit-image")

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        low, high, found = 0.0, 20.0 * sigma, image
        for _ in range(7):
            weight = (low + high) / 2
            found = restoration.denoise_tv_chambolle(image, weight=weight)
            low, high = (weight, high) if np.std(image - found) < sigma else (low, weight)
        return found

    return {"": denoise_channels(case, work)}

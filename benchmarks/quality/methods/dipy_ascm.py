# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Adaptive soft coefficient matching (ASCM) of dipy, as in its example."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import denoise_channels, need_volume, require

LABEL = "dipy ASCM 3D (defaults)"
PACKAGES = ("dipy",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """For noise of Rician distribution; sigma by dipy."""
    need_volume(case)
    means = require("dipy.denoise.nlmeans")
    soft = require("dipy.denoise.adaptive_soft_matching").adaptive_soft_matching
    estimate = require("dipy.denoise.noise_estimate").estimate_sigma

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        level = estimate(image)[0]
        small = means.nlmeans(image, level, patch_radius=1, block_radius=1, rician=True, num_threads=1)
        large = means.nlmeans(image, level, patch_radius=2, block_radius=1, rician=True, num_threads=1)
        found: np.ndarray = soft(image, small, large, level)
        return found

    return {"": denoise_channels(case, work)}

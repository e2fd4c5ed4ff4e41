# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Adaptive soft coefficient matching (ASCM) of dipy, told the noise."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import denoise_channels, need_volume, require

LABEL = "dipy ASCM 3D (true sigma, additive)"
PACKAGES = ("dipy",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """The patches of its example."""
    need_volume(case)
    means = require("dipy.denoise.nlmeans")
    soft = require("dipy.denoise.adaptive_soft_matching").adaptive_soft_matching

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        # values of 0 and below are not denoised, so there must be none
        moved = image + 1.0
        small = means.nlmeans(moved, sigma, patch_radius=1, block_radius=1, rician=False, num_threads=1)
        large = means.nlmeans(moved, sigma, patch_radius=2, block_radius=1, rician=False, num_threads=1)
        found: np.ndarray = soft(moved, small, large, sigma)
        return found - 1.0

    return {"": denoise_channels(case, work)}

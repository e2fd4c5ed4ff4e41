# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Non-local means of dipy, told the noise, with the settings of its example."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import denoise_channels, need_volume, require

LABEL = "dipy NLM 3D (true sigma, additive)"
PACKAGES = ("dipy",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Patches of 3, blocks of 5."""
    need_volume(case)
    means = require("dipy.denoise.nlmeans")

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        # values of 0 and below are not denoised, so there must be none
        moved = image + 1.0
        found: np.ndarray = means.nlmeans(moved, sigma, patch_radius=1, block_radius=2, rician=False, num_threads=1)
        return found - 1.0

    return {"": denoise_channels(case, work)}

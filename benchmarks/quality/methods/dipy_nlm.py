# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Non-local means of dipy."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import denoise_channels, need_volume, require

LABEL = "dipy NLM 3D (defaults)"
PACKAGES = ("dipy",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """All defaults, for noise of Rician distribution; sigma by dipy."""
    need_volume(case)
    means = require("dipy.denoise.nlmeans")
    estimate = require("dipy.denoise.noise_estimate").estimate_sigma

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        found: np.ndarray = means.nlmeans(image, estimate(image)[0], num_threads=1)
        return found

    return {"": denoise_channels(case, work)}

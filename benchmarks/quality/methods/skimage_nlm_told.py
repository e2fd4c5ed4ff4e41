# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Non-local means of scikit-image in three dimensions, with the settings of its example."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import denoise_channels, require

LABEL = "scikit-image NLM 3D (true sigma)"
PACKAGES = ("scikit-image",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Patches of 5, distance 6, h 0.6 sigma: its example for the fast mode that knows sigma."""
    restoration = require("skimage.restoration", "scikit-image")

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        settings = {"patch_size": 5, "patch_distance": 6, "h": 0.6 * sigma, "sigma": sigma, "fast_mode": True}
        found: np.ndarray = restoration.denoise_nl_means(image, **settings)
        return found

    return {"": denoise_channels(case, work)}

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Non-local means of scikit-image in three dimensions."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import denoise_channels, require

LABEL = "scikit-image NLM 3D (defaults)"
PACKAGES = ("scikit-image",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """All defaults, on the image scaled to 0..1: h 0.1, whatever the noise."""
    restoration = require("skimage.restoration", "scikit-image")

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        found: np.ndarray = restoration.denoise_nl_means(image)
        return found

    return {"": denoise_channels(case, work)}

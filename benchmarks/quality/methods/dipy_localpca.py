# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Local PCA (Manjon 2013) of dipy, for series of volumes, told the noise."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import require, series

LABEL = "dipy local PCA 4D (true sigma)"
PACKAGES = ("dipy",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """The settings of its example: patches of 5, tau_factor 2.3."""
    image = series(case)
    found: np.ndarray = require("dipy.denoise.localpca").localpca(
        image, sigma=case.sigma, tau_factor=2.3, patch_radius=2, suppress_warning=True
    )
    return {"": torch.from_numpy(np.moveaxis(found, -1, 0)).reshape(case.volume.image.shape)}

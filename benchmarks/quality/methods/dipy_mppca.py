# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""MP-PCA (Marchenko-Pastur) of dipy, for series of volumes."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import require, series

LABEL = "dipy MP-PCA 4D (defaults)"
PACKAGES = ("dipy",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """All defaults; it estimates sigma itself."""
    image = series(case)
    found: np.ndarray = require("dipy.denoise.localpca").mppca(image, suppress_warning=True)
    return {"": torch.from_numpy(np.moveaxis(found, -1, 0)).reshape(case.volume.image.shape)}

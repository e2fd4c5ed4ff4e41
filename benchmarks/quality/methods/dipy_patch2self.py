# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Patch2Self of dipy, for diffusion series."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import require, series

LABEL = "dipy Patch2Self 4D (defaults)"
PACKAGES = ("dipy", "scikit-learn")


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """All defaults; it needs to know which volumes are b = 0: those half as bright again as the others."""
    image = series(case)
    means = image.reshape(-1, image.shape[-1]).mean(0)
    bvals = np.where(means > 1.5 * np.median(means), 0.0, 1000.0)
    # without them it stops in the middle
    require("sklearn", "scikit-learn")
    found: np.ndarray = require("dipy.denoise.patch2self").patch2self(
        image, bvals, b0_denoising=bool((bvals == 0).sum() > 1)
    )
    return {"": torch.from_numpy(np.moveaxis(found, -1, 0)).reshape(case.volume.image.shape)}

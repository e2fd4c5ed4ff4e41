# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""BM3D (Dabov, Maekinen; closed source, not for commercial use) as it comes from PyPI, slice by slice."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import run_bm3d

LABEL = "BM3D 2D (sigma by wavelets)"
PACKAGES = ("bm3d",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """All defaults."""
    return {"": run_bm3d(case, "estimated")}

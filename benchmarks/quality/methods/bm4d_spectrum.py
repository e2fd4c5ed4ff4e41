# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""BM4D (Maggioni, Foi; closed source, not for commercial use) as it comes from PyPI."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.peers import run_bm4d

LABEL = "BM4D (true spectrum)"
PACKAGES = ("bm4d",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """All defaults."""
    return {"": run_bm4d(case, "spectrum", seed)}

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""DenoiseImage of ANTs (adaptive non-local means of Manjon 2010), for additive noise."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.environments import run_peer

LABEL = "ANTs DenoiseImage 3D (Gaussian, mirrored border)"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """The other noise model, and no border that it could darken; it estimates the noise itself."""
    return run_peer("ants", case, noise_model="Gaussian", border=4)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole product with NS-N2N, all defaults."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from monai_diffdenoise import denoise

LABEL = "diffdenoise --method ns-n2n"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Preset balanced; the seconds are its own."""
    return {"": denoise(case.volume, method="ns-n2n", seed=seed, device="cpu").image.as_tensor()}

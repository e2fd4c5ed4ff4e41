# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole product with all defaults: it chooses the method, too."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.ours import run_ours

LABEL = "diffdenoise, all defaults: auto"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Preset balanced; the seconds are its own."""
    return {"": run_ours(case, "auto", seed)}

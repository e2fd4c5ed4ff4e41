# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""N2V2 of CAREamics, slice by slice: blur pools and no skip, against checkerboards."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.environments import run_peer

LABEL = "CAREamics N2V2 2D"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Its own 30 epochs, however long they take."""
    return run_peer("careamics", case, seed=seed, use_n2v2=True)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Neighbor2Neighbor of deepinv with its UNet."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.environments import run_peer

LABEL = "deepinv Neighbor2Neighbor, UNet 2D"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Trained for so many CPU seconds, slice by slice."""
    return run_peer("deepinv", case, seed=seed, seconds=seconds, loss="neighbor")

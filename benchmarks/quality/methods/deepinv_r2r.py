# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Recorrupted2Recorrupted of deepinv with its UNet, told the noise."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.environments import run_peer

LABEL = "deepinv R2R, UNet 2D (true sigma)"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Trained for so many CPU seconds, slice by slice."""
    return run_peer("deepinv", case, seed=seed, seconds=seconds, loss="r2r")

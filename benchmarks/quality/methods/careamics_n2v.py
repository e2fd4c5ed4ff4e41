# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise2Void of CAREamics, slice by slice."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.environments import run_peer

LABEL = "CAREamics N2V 2D (defaults)"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Its own 30 epochs, however long they take."""
    return run_peer("careamics", case, seed=seed)

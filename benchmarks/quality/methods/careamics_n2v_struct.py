# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""structN2V of CAREamics, slice by slice, with a square mask."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.environments import run_peer

LABEL = "CAREamics structN2V 2D (square of 5, told to be correlated)"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Its own 30 epochs, however long they take."""
    return run_peer("careamics", case, seed=seed, struct_n2v_axes="square")

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The input."""

from __future__ import annotations

import torch

from benchmarks.cases import Case

LABEL = "noisy"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """The input as it is."""
    return {"": case.volume.image.as_tensor()}

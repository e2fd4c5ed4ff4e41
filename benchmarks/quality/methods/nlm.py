# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Non-local means of scikit-image, slice by slice, told the true sigma."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.methods import run_method

LABEL = "NLM 2D (true sigma)"
PACKAGES = ("scikit-image",)


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """The settings that the list of the data was made with."""
    return {"": run_method("nlm", case, "", seed, 0.0)[0]}

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""PUCA, 16 features."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.training import denoise_by_training
from monai_diffdenoise.networks import PUCA
from monai_diffdenoise.transforms import make_pairing

LABEL = "PUCA 2D"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Trained for so many CPU seconds, slice by slice."""
    pairing, _ = make_pairing("same", case.volume.slice_axis)

    def network() -> PUCA:
        return PUCA(channels=16, encoder=(1, 1), middle=1, decoder=(1, 1))

    return denoise_by_training(case, network, pairing, seconds, seed)

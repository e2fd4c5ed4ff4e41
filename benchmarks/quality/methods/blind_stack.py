# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The light blind-spot network for a slice and its neighbors."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.told import advice_for, context_for
from benchmarks.quality.training import denoise_by_training
from monai_diffdenoise.networks import BlindStack
from monai_diffdenoise.transforms import make_pairing

LABEL = "BlindStack 2.5D"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Trained for so many CPU seconds, slice by slice."""
    context, spot = context_for(case), advice_for(case).blind_spot
    pairing, _ = make_pairing("same", case.volume.slice_axis, context=context)

    def network() -> BlindStack:
        return BlindStack(channels=16, context_channels=context, blind_spot=spot)

    return denoise_by_training(case, network, pairing, seconds, seed, rate=1.2e-3)

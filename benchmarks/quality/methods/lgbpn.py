# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""LG-BPN, light, blind as far as the noise is correlated."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.told import advice_for
from benchmarks.quality.training import denoise_by_training
from monai_diffdenoise.networks import LGBPN
from monai_diffdenoise.transforms import make_pairing

LABEL = "LG-BPN 2D"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Trained for so many CPU seconds, slice by slice."""
    spot = advice_for(case).blind_spot
    pairing, _ = make_pairing("same", case.volume.slice_axis)

    def network() -> LGBPN:
        return LGBPN(channels=16, blind_spot=spot)

    return denoise_by_training(case, network, pairing, seconds, seed)

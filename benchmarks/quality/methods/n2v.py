# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise2Void: a MONAI network that is asked for hidden pixels."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.training import denoise_by_training, residual_unet
from monai_diffdenoise.transforms import make_pairing

LABEL = "N2V, MONAI UNet 2D"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Trained for so many CPU seconds, slice by slice."""
    pairing, after = make_pairing("masked", case.volume.slice_axis)
    return denoise_by_training(case, residual_unet, pairing, seconds, seed, after=after)

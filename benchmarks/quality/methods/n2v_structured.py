# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise2Void with a mask of the shape of the measured correlation."""

from __future__ import annotations

import torch

from benchmarks.cases import Case
from benchmarks.quality.told import advice_for
from benchmarks.quality.training import denoise_by_training, residual_unet
from monai_diffdenoise.networks.blocks import spot_offsets
from monai_diffdenoise.transforms import make_pairing

LABEL = "structN2V, MONAI UNet 2D"


def run(case: Case, seconds: float, seed: int) -> dict[str, torch.Tensor]:
    """Trained for so many CPU seconds, slice by slice."""
    spot = spot_offsets(advice_for(case).blind_spot)
    pairing, after = make_pairing("masked", case.volume.slice_axis, spot=spot)
    return denoise_by_training(case, residual_unet, pairing, seconds, seed, after=after)

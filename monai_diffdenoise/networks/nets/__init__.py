# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Whole networks."""

from __future__ import annotations

from monai_diffdenoise.networks.nets.blind_stack import BlindStack
from monai_diffdenoise.networks.nets.conditional_diffusion import ConditionalDiffusion
from monai_diffdenoise.networks.nets.lgbpn import LGBPN
from monai_diffdenoise.networks.nets.nafnet import NAFNet
from monai_diffdenoise.networks.nets.puca import PUCA
from monai_diffdenoise.networks.nets.residual_denoiser import ResidualDenoiser

__all__ = [
    "LGBPN",
    "PUCA",
    "BlindStack",
    "ConditionalDiffusion",
    "NAFNet",
    "ResidualDenoiser",
]

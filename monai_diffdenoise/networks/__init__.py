# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Networks: building blocks and whole nets."""

from __future__ import annotations

from monai_diffdenoise.networks.nets import LGBPN, PUCA, BlindStack, ConditionalDiffusion, NAFNet, ResidualDenoiser

__all__ = [
    "LGBPN",
    "PUCA",
    "BlindStack",
    "ConditionalDiffusion",
    "NAFNet",
    "ResidualDenoiser",
]

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Building blocks of networks."""

from __future__ import annotations

from monai_diffdenoise.networks.blocks.context import ContextFeatures
from monai_diffdenoise.networks.blocks.masked_conv import MaskedConv, is_blind, spot_offsets
from monai_diffdenoise.networks.blocks.naf import ChannelAttention, ChannelLayerNorm, NAFBlock, use_local_attention
from monai_diffdenoise.networks.blocks.naf_unet import NAFUNet
from monai_diffdenoise.networks.blocks.phases import batch_to_space, crop_to, pad_to_multiple, space_to_batch

__all__ = [
    "ChannelAttention",
    "ChannelLayerNorm",
    "ContextFeatures",
    "MaskedConv",
    "NAFBlock",
    "NAFUNet",
    "batch_to_space",
    "crop_to",
    "is_blind",
    "pad_to_multiple",
    "space_to_batch",
    "spot_offsets",
    "use_local_attention",
]

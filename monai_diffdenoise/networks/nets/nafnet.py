# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""NAFNet: a strong and cheap restorer, the student of a distillation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.layers.factories import Conv
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks.naf import Attention
from monai_diffdenoise.networks.blocks.naf_unet import NAFUNet, to_channels_last
from monai_diffdenoise.networks.blocks.phases import crop_to, pad_to_multiple

__all__ = ["NAFNet"]


class NAFNet(nn.Module):
    """Predict what to add to the input with a U-Net of NAF blocks.

    Chen et al., "Simple Baselines for Image Restoration" (2022), with the paper's widths as defaults. Unlike there, the
    last convolution starts at zero, so that training starts from the identity; this changes no trained network.

    A network trained on patches meets other channel statistics on whole images: see
    :func:`~monai_diffdenoise.networks.blocks.naf.use_local_attention` for one that is trained already, or
    ``attention="local"``.

    Args:
        spatial_dims: 2 or 3.
        in_channels: of the input. Those after the first ``out_channels`` are only looked at (neighboring slices).
        out_channels: of the output, at most ``in_channels``; each is added to the input channel of its number.
        channels: features of the first level, doubled at each further one.
        encoder: blocks of each level on the way down.
        middle: blocks at the bottom.
        decoder: blocks of each level on the way up, the deepest first.
        attention: "global": channel statistics of the whole image. "local": of a window. "none".
        window: of "local", in pixels; usually 1.5 times the patches of the training.
        residual: add to the input; without it the output is the body's alone.

    Shape:
        (B, in_channels, *S) to (B, out_channels, *S) for any S, in normalised units (about 0 to 1, unclipped).

    Raises:
        InputError: for an argument outside these ranges.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        channels: int = 32,
        encoder: Sequence[int] = (2, 2, 4, 8),
        middle: int = 12,
        decoder: Sequence[int] = (2, 2, 2, 2),
        attention: Attention = "global",
        window: int | Sequence[int] = 0,
        residual: bool = True,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3) or min(in_channels, out_channels, channels) < 1:
            raise InputError(
                f"got spatial_dims={spatial_dims}, in_channels={in_channels}, out_channels={out_channels} and "
                f"channels={channels}; expected 2 or 3 dimensions and at least one channel"
            )
        if residual and out_channels > in_channels:
            raise InputError(
                f"got {out_channels} output and {in_channels} input channels; "
                "expected an input channel for each output channel to add to, or residual=False"
            )
        self.residual, self.out_channels = residual, out_channels
        conv = Conv[Conv.CONV, spatial_dims]
        self.intro = conv(in_channels, channels, 3, padding=1)
        self.body = NAFUNet(spatial_dims, channels, encoder, middle, decoder, attention=attention, window=window)
        self.ending = conv(channels, out_channels, 3, padding=1)
        if residual:
            nn.init.zeros_(self.ending.weight)
            nn.init.zeros_(self.ending.bias)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        padded = to_channels_last(pad_to_multiple(image, self.body.divisor))
        output = crop_to(self.ending(self.body(self.intro(padded))), image)
        return image[:, : self.out_channels] + output if self.residual else output

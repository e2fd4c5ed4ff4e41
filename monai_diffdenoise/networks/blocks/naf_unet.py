# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Encoder and decoder of NAF blocks: the body of NAFNet, and of PUCA on its phases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from monai.networks.layers.factories import Conv
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks.naf import Attention, NAFBlock, Pointwise

__all__ = ["NAFUNet", "to_channels_last"]


def to_channels_last(image: torch.Tensor) -> torch.Tensor:
    """The same numbers, stored with the channels of a pixel side by side; (B, C, *S) of 2 or 3 axes."""
    if image.dim() == 4:
        return image.contiguous(memory_format=torch.channels_last)
    return image.contiguous(memory_format=torch.channels_last_3d)


class _Unshuffle(nn.Module):
    """Blocks of 2 x 2 (x 2) pixels to channels."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return F.pixel_unshuffle(image, 2) if image.dim() == 4 else pixelunshuffle(image, 3, 2)


class _Shuffle(nn.Module):
    """Channels to blocks of 2 x 2 (x 2) pixels."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return F.pixel_shuffle(image, 2) if image.dim() == 4 else pixelshuffle(image, 3, 2)


class NAFUNet(nn.Module):
    """U-Net of NAF blocks: channels double and sides halve at each level, skips are added.

    Args:
        spatial_dims: 2 or 3.
        channels: of the input, the output and the first level.
        encoder: blocks of each level on the way down.
        middle: blocks at the bottom.
        decoder: blocks of each level on the way up, the deepest first; as many levels as ``encoder``.
        down: "conv": a convolution of stride 2 (NAFNet). "shuffle": a 1x1 convolution, then pixels to channels (PUCA).
        attention: see :class:`NAFBlock`.
        window: see :class:`NAFBlock`, in pixels of the network's input, which has ``spacing`` of them to one here.
        scale_init: see :class:`NAFBlock`.
        shared: see :class:`NAFBlock`.
        spacing: pixels of the whole network's input for one pixel of this one's.

    Shape:
        (B, channels, *S) to the same, for S that are multiples of ``divisor``.

    Raises:
        InputError: for an argument outside these ranges.
    """

    def __init__(
        self,
        spatial_dims: int,
        channels: int,
        encoder: Sequence[int],
        middle: int,
        decoder: Sequence[int],
        down: Literal["conv", "shuffle"] = "conv",
        attention: Attention = "global",
        window: int | Sequence[int] = 0,
        scale_init: float = 0.0,
        shared: int = 1,
        spacing: int = 1,
    ) -> None:
        super().__init__()
        if len(encoder) != len(decoder) or min([middle, *encoder, *decoder]) < 0:
            raise InputError(
                f"got encoder={list(encoder)}, middle={middle} and decoder={list(decoder)}; "
                "expected numbers of blocks, and as many levels down as up"
            )
        corners = 2**spatial_dims
        if down not in ("conv", "shuffle"):
            raise InputError(f"got down={down!r}; expected conv or shuffle")
        if channels < 1 or (down == "shuffle" and encoder and 2 * channels % corners):
            raise InputError(
                f"got channels={channels}; expected a multiple of {corners // 2} in {spatial_dims} dimensions"
            )
        if attention == "local" and not window:
            raise InputError('got attention="local" without a window; expected its size in pixels')
        self.divisor = 2 ** len(encoder)
        conv = Conv[Conv.CONV, spatial_dims]

        def blocks(number: int, level: int) -> nn.Sequential:
            step = spacing * 2**level
            sizes = [window] * spatial_dims if isinstance(window, int) else window
            here = [max(size // step, 1) if size else 0 for size in sizes] if attention == "local" else 0
            return nn.Sequential(
                *(
                    NAFBlock(spatial_dims, channels * 2**level, attention, here, scale_init, shared, step)
                    for _ in range(number)
                )
            )

        self.encoders, self.downs = nn.ModuleList(), nn.ModuleList()
        for level, number in enumerate(encoder):
            width = channels * 2**level
            self.encoders.append(blocks(number, level))
            if down == "conv":
                self.downs.append(conv(width, 2 * width, 2, stride=2))
            else:
                self.downs.append(nn.Sequential(Pointwise(width, 2 * width // corners), _Unshuffle()))
        self.middle = blocks(middle, len(encoder))
        self.ups, self.decoders = nn.ModuleList(), nn.ModuleList()
        for level, number in zip(reversed(range(len(decoder))), decoder, strict=True):
            width = channels * 2**level
            self.ups.append(nn.Sequential(Pointwise(2 * width, width * corners, bias=down == "shuffle"), _Shuffle()))
            self.decoders.append(blocks(number, level))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        image = to_channels_last(image)
        skips: list[torch.Tensor] = []
        for encoder, down in zip(self.encoders, self.downs):
            image = encoder(image)
            skips.append(image)
            image = down(image)
        image = self.middle(image)
        for up, decoder in zip(self.ups, self.decoders):
            image = decoder(up(image) + skips.pop())
        return image

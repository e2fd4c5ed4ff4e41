# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Features of what a blind-spot network may see whole: the neighbors of a slice."""

from __future__ import annotations

import torch
from monai.networks.nets import SegResNet
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks.phases import crop_to, pad_to_multiple

__all__ = ["ContextFeatures"]


class ContextFeatures(nn.Module):
    """An ordinary encoder-decoder (MONAI's ``SegResNet``): the context does not hold the target, so nothing is masked.

    Args:
        spatial_dims: 2 or 3.
        context_channels: channels of the input, 1 or more.
        channels: features of the first level, doubled at each further level, and of the output. A multiple of 4.
        levels: resolution levels; sizes that are no multiple of ``2 ** (levels - 1)`` are padded and cropped inside.
        norm: MONAI's name of a normalization, with or without its arguments; None for no normalization.

    Shape:
        (B, context_channels, *S) to (B, channels, *S) for any S.

    Raises:
        InputError: for an argument outside the ranges above.
    """

    def __init__(
        self,
        spatial_dims: int,
        context_channels: int,
        channels: int,
        levels: int = 3,
        norm: str | tuple[str, dict[str, int]] | None = None,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3) or context_channels < 1 or levels < 1 or channels < 1 or channels % 4:
            raise InputError(
                f"got spatial_dims={spatial_dims}, context_channels={context_channels}, channels={channels} and "
                f"levels={levels}; expected 2 or 3 dimensions, channels as a multiple of 4, and at least 1 of the rest"
            )
        self.divisor = 2 ** (levels - 1)
        self.body = SegResNet(
            spatial_dims=spatial_dims,
            init_filters=channels,
            in_channels=context_channels,
            out_channels=channels,
            blocks_down=(1,) * levels,
            blocks_up=(1,) * (levels - 1),
            norm=norm or "",
            upsample_mode="nontrainable",
        )

    def forward(self, context: torch.Tensor) -> torch.Tensor:
        features = self.body(pad_to_multiple(context, self.divisor, mode="replicate"))
        return crop_to(features, context)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A residual encoder-decoder whose untrained output is its input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import SegResNet
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError

__all__ = ["ResidualDenoiser"]


class ResidualDenoiser(nn.Module):
    """Predict what to add to the input, with MONAI's ``SegResNet`` as the body.

    The last convolution starts at zero, so that training starts from the identity (or, where input and output differ in
    channels, from the mean of ``base_channels``) and cannot lose the image's mean on the way. Chosen by measurement at
    equal time on two CPU cores among MONAI's UNet family (``docs/measurements.md``).

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the input.
        out_channels: channels of the output.
        channels: features of the first level; doubled at each further level. A multiple of 4.
        levels: resolution levels; sizes that are no multiple of ``2 ** (levels - 1)`` are padded and cropped inside.
        base_channels: the input channels whose mean the residual is added to; default: each output channel adds to its
            own input channel, or all to the mean of all where ``out_channels`` differs from ``in_channels``.

    Shape:
        ``(B, in_channels, *S)`` to ``(B, out_channels, *S)`` for any S, in normalised units (about 0 to 1, unclipped).

    Raises:
        InputError: for an argument outside the ranges above.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        channels: int = 8,
        levels: int = 4,
        base_channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3) or in_channels < 1 or out_channels < 1:
            raise InputError(
                f"got spatial_dims={spatial_dims}, in_channels={in_channels} and out_channels={out_channels}; "
                "expected 2 or 3 dimensions and at least one channel"
            )
        if channels % 4 or channels <= 0 or levels < 1:
            raise InputError(
                f"got channels={channels} and levels={levels}; "
                "expected channels as a positive multiple of 4 and at least one level"
            )
        self.channelwise = base_channels is None and in_channels == out_channels
        self.base_channels = list(base_channels) if base_channels is not None else list(range(in_channels))
        if not self.base_channels or not all(0 <= c < in_channels for c in self.base_channels):
            raise InputError(f"got base_channels={self.base_channels}; expected indices from 0 to {in_channels - 1}")
        self.divisor = 2 ** (levels - 1)
        self.body = SegResNet(
            spatial_dims=spatial_dims,
            init_filters=channels,
            in_channels=in_channels,
            out_channels=out_channels,
            blocks_down=(1,) * levels,
            blocks_up=(1,) * (levels - 1),
            norm=("GROUP", {"num_groups": 4}),
            upsample_mode="nontrainable",
        )
        last = [m for m in self.body.conv_final.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d))][-1]
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)

    def base(self, image: torch.Tensor) -> torch.Tensor:
        """What the residual is added to: the image itself, or the mean of ``base_channels``, ``(B, 1, *S)``."""
        if self.channelwise:
            return image
        return image[:, self.base_channels].mean(1, keepdim=True)

    def residual(self, image: torch.Tensor) -> torch.Tensor:
        """The learned part alone, ``(B, out_channels, *S)``."""
        # loops without a branch on the size, so that scripted, traced and exported copies take any size too
        padding: list[int] = []
        for axis in range(image.dim() - 1, 1, -1):
            side = image.shape[axis]
            padding += [0, self.divisor * ((side + self.divisor - 1) // self.divisor) - side]
        # replicate, since reflection needs sides longer than the padding and images may be a few pixels wide
        body = self.body(F.pad(image, padding, mode="replicate"))
        # a view would ask exported copies for strides that depend on the size
        return F.pad(body, [-pixels for pixels in padding])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.base(image) + self.residual(image)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""LG-BPN's dilated transformer: Restormer's block, made to run on the phases of an image."""

from __future__ import annotations

import torch
from monai.networks.layers.factories import Conv
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError

__all__ = ["DilatedTransformer", "DilatedTransformerBlock"]

_EPSILON = 1e-5


class _NormedConv(nn.Module):
    """Divide each pixel by the standard deviation of its channels (the mean stays), then convolve with size 1.

    A gain for each channel and no bias. The gain multiplies the weights instead of the image, and the variance comes
    from the mean square: both leave less to keep for the gradient, and torch.var is slow on a CPU.
    """

    def __init__(self, spatial_dims: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.conv = Conv[Conv.CONV, spatial_dims](channels, out_channels, 1, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        mean = features.mean(1, keepdim=True)
        variance = (features.square().mean(1, keepdim=True) - mean.square()).clamp(min=0)
        weight = self.conv.weight * self.gain.reshape(1, -1, *(1,) * (features.dim() - 2))
        convolve = F.conv2d if features.dim() == 4 else F.conv3d
        return convolve(features * torch.rsqrt(variance + _EPSILON), weight)


class _ChannelAttention(nn.Module):
    """Attention between channels: how alike two channels are over all pixels of a phase (or of the plane)."""

    def __init__(self, spatial_dims: int, channels: int, num_heads: int) -> None:
        super().__init__()
        conv = Conv[Conv.CONV, spatial_dims]
        self.num_heads = num_heads
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.expand = _NormedConv(spatial_dims, channels, 3 * channels)
        self.depthwise = conv(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=False)
        self.project = conv(channels, channels, 1, bias=False)

    def forward(self, features: torch.Tensor, pool: int) -> torch.Tensor:
        count, channels, *size = features.shape
        # pixels before channels, which is how channels_last lies in memory; pooled phases are one long row of pixels
        pixels = self.depthwise(self.expand(features)).movedim(1, -1)
        pixels = pixels.reshape(count // pool, -1, 3, self.num_heads, channels // self.num_heads)
        # one copy here, which is kept for the gradient, instead of one at each product
        query, key, value = pixels.permute(2, 0, 3, 1, 4).contiguous().unbind(0)
        scales = [
            torch.linalg.vector_norm(part, dim=-2, keepdim=True).clamp(min=1e-12).reciprocal() for part in (query, key)
        ]
        alike = (query * (scales[0] * self.temperature)).transpose(-1, -2) @ (key * scales[1])
        mixed = value @ alike.softmax(-1).transpose(-1, -2)
        mixed = mixed.transpose(1, 2).reshape(count, *size, channels).movedim(-1, 1)
        return self.project(mixed)


class _GatedFeedForward(nn.Module):
    """Two hidden images, one of which opens and closes the other."""

    def __init__(self, spatial_dims: int, channels: int, hidden: int) -> None:
        super().__init__()
        conv = Conv[Conv.CONV, spatial_dims]
        self.expand = _NormedConv(spatial_dims, channels, 2 * hidden)
        self.depthwise = conv(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.project = conv(hidden, channels, 1, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        gate, passed = self.depthwise(self.expand(features)).chunk(2, 1)
        return self.project(F.gelu(gate) * passed)


class DilatedTransformerBlock(nn.Module):
    """Channel attention, then a gated feed-forward, each added to its input (Restormer, Zamir et al. 2022).

    The block is an ordinary one, without dilation. On the phases of an image
    (:func:`~monai_diffdenoise.networks.blocks.space_to_batch`) its depth-wise convolutions are LG-BPN's dilated ones,
    and its attention compares channels within a phase, so that nothing passes from one phase to another.

    Args:
        spatial_dims: 2 or 3.
        channels: of the input and output; a multiple of ``num_heads``.
        num_heads: groups of channels with an attention of their own.
        expansion: hidden channels of the feed-forward over ``channels``; rounded down.

    Shape:
        (B, channels, *S) to the same.

    Raises:
        InputError: for an argument outside the ranges above.
    """

    def __init__(self, spatial_dims: int, channels: int, num_heads: int = 2, expansion: float = 2.66) -> None:
        super().__init__()
        hidden = int(channels * expansion)
        if spatial_dims not in (2, 3) or min(num_heads, channels) < 1 or channels % num_heads or hidden < 1:
            raise InputError(
                f"got spatial_dims={spatial_dims}, channels={channels}, num_heads={num_heads} and "
                f"expansion={expansion}; expected 2 or 3 dimensions, channels as a multiple of num_heads, and at "
                "least one hidden channel"
            )
        self.attention = _ChannelAttention(spatial_dims, channels, num_heads)
        self.feed_forward = _GatedFeedForward(spatial_dims, channels, hidden)

    def forward(self, features: torch.Tensor, pool: int = 1) -> torch.Tensor:
        """See the class.

        Args:
            features: (B, channels, *S).
            pool: neighbors in the batch that share one attention. 1 keeps every phase apart. All phases of an image
                (LG-BPN as published) let every pixel see the statistics of the others, the blind ones included.
        """
        features = features + self.attention(features, pool)
        return features + self.feed_forward(features)


class DilatedTransformer(nn.Module):
    """Blocks of :class:`DilatedTransformerBlock` and a convolution of size 3: the body of LG-BPN's global branch.

    Args:
        spatial_dims: 2 or 3.
        channels: of the input and output; a multiple of ``num_heads``.
        num_blocks: how many blocks, from 0.
        num_heads: of each block.
        expansion: of each block.

    Shape:
        (B, channels, *S) to the same.

    Raises:
        InputError: for an argument that :class:`DilatedTransformerBlock` does not take.
    """

    def __init__(
        self, spatial_dims: int, channels: int, num_blocks: int = 6, num_heads: int = 2, expansion: float = 2.66
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            DilatedTransformerBlock(spatial_dims, channels, num_heads, expansion) for _ in range(num_blocks)
        )
        self.output = Conv[Conv.CONV, spatial_dims](channels, channels, 3, padding=1, bias=False)

    def forward(self, features: torch.Tensor, pool: int = 1) -> torch.Tensor:
        """See the class; ``pool`` as in :meth:`DilatedTransformerBlock.forward`."""
        for block in self.blocks:
            features = block(features, pool)
        output: torch.Tensor = self.output(features)
        return output

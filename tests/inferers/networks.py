# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Small networks whose blind spot and reach are known."""

from __future__ import annotations

import torch
from torch import nn

from monai_diffdenoise.networks.blocks.masked_conv import MaskedConv

__all__ = ["BlindNetwork", "noise"]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class BlindNetwork(nn.Module):
    """One masked convolution on the first channel, an ordinary one on the context, float64 and random.

    It reaches ``kernel_size // 2``, one pixel for the context.
    """

    def __init__(
        self, spatial_dims: int = 2, context: int = 0, spot: int | tuple[int, ...] = 1, kernel_size: int = 5
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        convolution = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
        self.masked = MaskedConv(spatial_dims, 1, 4, kernel_size, spot)
        self.around = convolution(context, 4, 3, padding=1) if context else None
        self.tail = convolution(4, 1, 1)
        self.blind = self.masked.blind
        self.double().requires_grad_(False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.masked(image[:, :1])
        if self.around is not None:
            features = features + self.around(image[:, 1:])
        return self.tail(torch.tanh(features))

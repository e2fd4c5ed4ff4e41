# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The block of networks without activation functions: normalize, gate, weigh the channels, add.

Chen et al., "Simple Baselines for Image Restoration" (2022). Everything is laid out for channels_last, where the norm,
the 1x1 and the depthwise convolutions of a CPU and of a GPU run several times faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from monai.networks.layers.factories import Conv
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks.sliding_mean import inner_mean, sliding_mean, widened

__all__ = [
    "Attention",
    "ChannelAttention",
    "ChannelLayerNorm",
    "NAFBlock",
    "Pointwise",
    "simple_gate",
    "use_local_attention",
]

Attention = Literal["global", "local", "none"]


class ChannelLayerNorm(nn.Module):
    """Zero mean and unit variance over the channels of each pixel, then a gain and an offset for each channel.

    Args:
        channels: of the input.
        eps: added to the variance.

    Shape:
        (B, channels, *S) to the same, in channels_last strides.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        normed = F.layer_norm(image.movedim(1, -1), self.weight.shape, self.weight, self.bias, self.eps)
        return normed.movedim(-1, 1)


class Pointwise(nn.Linear):
    """A 1x1 convolution, computed as one matrix product: what a CPU does it fastest with at any number of threads.

    Shape:
        (B, in_features, *S) to (B, out_features, *S), in channels_last strides.
    """

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return F.linear(image.movedim(1, -1), self.weight, self.bias).movedim(-1, 1)

    def scaled(self, image: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """The output times ``scale`` (out_features), which goes into the weights: no pass over the plane for it."""
        return F.linear(image.movedim(1, -1), self.weight * scale[:, None], self.bias * scale).movedim(-1, 1)


def simple_gate(image: torch.Tensor) -> torch.Tensor:
    """One half of the channels times the other: (B, 2 C, *S) to (B, C, *S)."""
    first, second = image.chunk(2, dim=1)
    return first * second


class ChannelAttention(nn.Module):
    """Each channel times a linear map of the channels' means: the simplified channel attention of NAFNet.

    The means run over the whole plane, or over a window around each pixel. The latter keeps a network that was trained
    on patches at the statistics it knows when it meets a larger image (Chu et al., "Improving image restoration by
    revisiting global information aggregation", 2022), and makes the estimate of a tile that of the whole image.

    Args:
        spatial_dims: 2 or 3.
        channels: of the input.
        window: size of the window in pixels of this plane, of all axes or of each; 0 for the whole axis.
        shared: how many items of the batch, one behind the other, have their means in common.
        spacing: pixels of the network's input for one pixel here; only for :func:`use_local_attention`.

    Shape:
        (B, channels, *S) to the same.
    """

    def __init__(
        self,
        spatial_dims: int,
        channels: int,
        window: int | Sequence[int] = 0,
        shared: int = 1,
        spacing: int = 1,
    ) -> None:
        super().__init__()
        self.window = [window] * spatial_dims if isinstance(window, int) else list(window)
        if len(self.window) != spatial_dims or min(self.window) < 0 or shared < 1:
            raise InputError(
                f"got window={window} and shared={shared} in {spatial_dims} dimensions; "
                "expected a size from 0 for each axis, and at least one item"
            )
        self.shared, self.spacing = shared, spacing
        self.weigh = Pointwise(channels, channels)

    def pool(self, image: torch.Tensor) -> torch.Tensor:
        """Means of the channels, (B, channels, *S) with 1 for each axis that is pooled as a whole."""
        image = self._whole(image)
        for index, window in enumerate(self.window):
            if window > 0:
                image = sliding_mean(image, index + 2, window)
        return self._together(image)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        # nested, since TorchScript leaves out only what stands under this condition alone
        if not torch.jit.is_scripting():  # noqa: SIM102
            if not torch.jit.is_tracing() and not torch.compiler.is_exporting():
                return image * self._weights(image)
        return image * self.weigh(self.pool(image))

    def _weights(self, image: torch.Tensor) -> torch.Tensor:
        """The same as ``weigh(pool(image))``, made of the distinct means alone, for the size of this image."""
        means = self._whole(image)
        for index, window in enumerate(self.window):
            if window > 0:
                means = inner_mean(means, index + 2, window)
        return widened(self.weigh(self._together(means)), list(image.shape[2:]), self.window)

    def _whole(self, image: torch.Tensor) -> torch.Tensor:
        whole: list[int] = []
        for index, window in enumerate(self.window):
            if window == 0:
                whole.append(index + 2)
        return image.mean(whole, keepdim=True) if len(whole) > 0 else image

    def _together(self, means: torch.Tensor) -> torch.Tensor:
        if self.shared > 1:
            grouped = means.unflatten(0, (-1, self.shared))
            means = grouped.mean(1, keepdim=True).expand_as(grouped).flatten(0, 1)
        return means


class NAFBlock(nn.Module):
    """Gated depthwise convolution with channel attention, then a gated pointwise layer, each added to its input.

    Args:
        spatial_dims: 2 or 3.
        channels: of the input and the output.
        attention: "global": means over the whole plane. "local": over a ``window``. "none": no channel attention.
        window: see :class:`ChannelAttention`; for "local".
        scale_init: first value of the gains on both branches: 0 makes an untrained block the identity (NAFNet), 1 is
            what PUCA trains with.
        shared: see :class:`ChannelAttention`.
        spacing: see :class:`ChannelAttention`.

    Shape:
        (B, channels, *S) to the same.

    Raises:
        InputError: for an argument outside these ranges.
    """

    def __init__(
        self,
        spatial_dims: int,
        channels: int,
        attention: Attention = "global",
        window: int | Sequence[int] = 0,
        scale_init: float = 0.0,
        shared: int = 1,
        spacing: int = 1,
    ) -> None:
        super().__init__()
        if attention not in ("global", "local", "none"):
            raise InputError(f"got attention={attention!r}; expected global, local or none")
        if attention == "local" and not window:
            raise InputError('got attention="local" without a window; expected its size in pixels')
        if spatial_dims not in (2, 3) or channels < 1:
            raise InputError(
                f"got spatial_dims={spatial_dims} and channels={channels}; expected 2 or 3, and at least 1"
            )
        self.norm1 = ChannelLayerNorm(channels)
        self.expand1 = Pointwise(channels, 2 * channels)
        self.depthwise = Conv[Conv.CONV, spatial_dims](2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.attention: nn.Module = nn.Identity()
        if attention != "none":
            used = window if attention == "local" else 0
            self.attention = ChannelAttention(spatial_dims, channels, used, shared, spacing)
        self.project1 = Pointwise(channels, channels)
        self.norm2 = ChannelLayerNorm(channels)
        self.expand2 = Pointwise(channels, 2 * channels)
        self.project2 = Pointwise(channels, channels)
        self.scale1 = nn.Parameter(torch.full((channels,), float(scale_init)))
        self.scale2 = nn.Parameter(torch.full((channels,), float(scale_init)))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        branch = self.attention(simple_gate(self.depthwise(self.expand1(self.norm1(image)))))
        image = image + self.project1.scaled(branch, self.scale1)
        branch = simple_gate(self.expand2(self.norm2(image)))
        return image + self.project2.scaled(branch, self.scale2)


def use_local_attention(network: nn.Module, window: int | Sequence[int] | None) -> nn.Module:
    """Let a trained network take its channel statistics from a window around each pixel, or from all again.

    No weight changes. The usual window is 1.5 times the side of the patches that the network was trained on.

    Args:
        network: with :class:`ChannelAttention` somewhere in it; changed in place.
        window: size in pixels of the network's input, of all axes or of each; ``None`` for the whole plane.

    Returns:
        The same network.

    Raises:
        InputError: when there is no channel attention in it, or the window does not fit its dimensions.
    """
    found = [module for module in network.modules() if isinstance(module, ChannelAttention)]
    if not found:
        raise InputError(f"got a {type(network).__name__} without channel attention; expected a NAFNet or a PUCA")
    for module in found:
        axes = len(module.window)
        sizes = [window or 0] * axes if isinstance(window, int) or window is None else list(window)
        if len(sizes) != axes or (window is not None and min(sizes) < 1):
            raise InputError(f"got window={window} for {axes} axes; expected a size from 1 for each, or None")
        module.window = [0 if window is None else max(size // module.spacing, 1) for size in sizes]
    return network

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""PUCA: a blind-spot network with a deep encoder and decoder behind its masked convolution."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks.context import ContextFeatures
from monai_diffdenoise.networks.blocks.masked_conv import MaskedConv, spot_offsets
from monai_diffdenoise.networks.blocks.naf import Attention, Pointwise
from monai_diffdenoise.networks.blocks.naf_unet import NAFUNet, to_channels_last
from monai_diffdenoise.networks.blocks.phases import batch_to_space, crop_to, pad_to_multiple, space_to_batch

__all__ = ["PUCA"]

_PIXELS_AT_ONCE = 2**14


class PUCA(nn.Module):
    """Blind-spot network for noise without correlation.

    Jang et al., "PUCA: Patch-Unshuffle and Channel Attention for Enhanced Self-Supervised Image Denoising" (2023). Its
    dilated convolutions and patch shuffles are, on the phases of the image, ordinary convolutions and pixel shuffles:
    the same function, several times faster on a CPU. So the network is a masked convolution, then a plain U-Net of NAF
    blocks that runs on each phase (every ``dilation``-th pixel) by itself.

    The published network takes its channel statistics over all phases, and so sees a little of the pixel that should be
    blind. With ``strict_blind_spot`` they stay inside a phase and the estimate of a pixel does not depend on its value
    at all.

    ``stride`` (an attribute too, which may change at any time, say from 4 in training to 2 afterwards) runs the network
    on every ``stride``-th pixel, each such image an item of the batch, against correlated noise: then all offsets below
    the stride are blind. The context's features are computed before this, at full resolution.

    Args:
        spatial_dims: 2 or 3.
        in_channels: blinded channels, the first of the input.
        out_channels: of the output.
        channels: features of the first level, doubled at each further one. A multiple of 2, of 4 in 3D.
        context_channels: channels behind the blinded ones that may be seen whole, such as neighboring slices.
        encoder: blocks of each level on the way down.
        middle: blocks at the bottom.
        decoder: blocks of each level on the way up, the deepest first.
        dilation: 2 or more; pixels of the same phase are so far apart. The mask's kernel is ``2 dilation - 1`` wide.
        stride: see above.
        strict_blind_spot: whether the gradient of a pixel's estimate by its value is zero, or as published only small.
        attention: "global": channel statistics of the whole phase. "local": of a window. "none".
        window: of "local", in pixels of the image (of every ``stride``-th pixel); usually 1.5 times the training's
            patches. See :func:`~monai_diffdenoise.networks.blocks.naf.use_local_attention` for a trained network.

        residual: add to a first guess that is blind too: the mean of the context or, without one, of the pixels around.
            The last layer starts at zero then. Published is ``False``, which learns more slowly.

    Shape:
        (B, in_channels + context_channels, *S) to (B, out_channels, *S) for any S, in normalised units (about 0 to 1,
        unclipped). A copy made by ``torch.export`` takes sides from ``dilation 2 ** levels + 1``.

    Raises:
        InputError: for an argument outside these ranges.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        channels: int = 128,
        context_channels: int = 0,
        encoder: Sequence[int] = (3, 4),
        middle: int = 4,
        decoder: Sequence[int] = (4, 3),
        dilation: int = 2,
        stride: int = 1,
        strict_blind_spot: bool = True,
        attention: Attention = "global",
        window: int | Sequence[int] = 0,
        residual: bool = True,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3) or min(in_channels, out_channels) < 1 or channels < 2 or context_channels < 0:
            raise InputError(
                f"got spatial_dims={spatial_dims}, in_channels={in_channels}, out_channels={out_channels}, "
                f"channels={channels} and context_channels={context_channels}; "
                "expected 2 or 3 dimensions, at least one channel and two features"
            )
        if dilation < 2 or stride < 1:
            raise InputError(f"got dilation={dilation} and stride={stride}; expected at least 2, and at least 1")
        self.spatial_dims, self.in_channels, self.context_channels = spatial_dims, in_channels, context_channels
        self.dilation, self.stride = dilation, stride
        # the phases of an image must come together where they share their statistics
        self.shared = not strict_blind_spot and attention != "none"
        self.intro = Pointwise(in_channels, channels)
        self.masked = nn.Sequential(
            MaskedConv(spatial_dims, channels, channels, 2 * dilation - 1),
            Pointwise(channels, channels),
            Pointwise(channels, channels),
        )
        self.body = NAFUNet(
            spatial_dims,
            channels,
            encoder,
            middle,
            decoder,
            down="shuffle",
            attention=attention,
            window=window,
            scale_init=1.0,
            shared=dilation**spatial_dims if self.shared else 1,
            spacing=dilation,
        )
        self.final = Pointwise(channels, channels)
        widths = [2 * channels if context_channels else channels, channels, channels // 2, channels // 2, out_channels]
        tail: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            # the published tail has no activations; with a context it has two inputs to weigh against each other
            tail += [nn.GELU(), Pointwise(before, after)] if context_channels and tail else [Pointwise(before, after)]
        self.tail = nn.Sequential(*tail)
        self.residual, self.channelwise = residual, in_channels == out_channels
        if residual:
            for parameter in self.tail[-1].parameters():
                nn.init.zeros_(parameter)
        if context_channels:
            self.context = ContextFeatures(spatial_dims, context_channels, channels)
            self.join = Pointwise(channels, channels)

    @property
    def blind(self) -> set[tuple[int, ...]]:
        """Offsets from a pixel that its estimate does not depend on; none when the blind spot is not strict."""
        return set() if self.shared else spot_offsets(2 * self.stride - 1, spatial_dims=self.spatial_dims)

    def first_guess(self, image: torch.Tensor) -> torch.Tensor:
        """Mean of the context, or of the next pixels (``stride`` apart) without the pixel itself; as in the output."""
        if self.context_channels:
            return image[:, self.in_channels :].mean(1, keepdim=True)
        # the last channel counts the neighbors that lie inside the image
        known = torch.cat([image, torch.ones_like(image[:, :1])], 1)
        padded = F.pad(known, [self.stride] * (2 * self.spatial_dims))
        total = torch.zeros_like(known)
        for place in itertools.product(range(3), repeat=self.spatial_dims):
            # sums of others only: what is added and taken away again would leave its rounding behind
            if any(step != 1 for step in place):
                shifted = padded
                for axis, step in enumerate(place, start=2):
                    shifted = shifted.narrow(axis, step * self.stride, image.shape[axis])
                total = total + shifted
        guess = total[:, :-1] / total[:, -1:].clamp(min=1)
        return guess if self.channelwise else guess.mean(1, keepdim=True)

    def _each_phase(self, phases: torch.Tensor) -> torch.Tensor:
        """The body's output; without gradients on a CPU a few phases at a time, which then stay in its caches."""
        if phases.is_cuda or torch.is_grad_enabled() or self.shared or torch.compiler.is_compiling():
            return self.body(phases)
        few = max(_PIXELS_AT_ONCE // phases[0, 0].numel(), 1)
        return torch.cat([self.body(part) for part in phases.split(few)])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        multiple = self.stride * self.dilation * self.body.divisor
        padded = to_channels_last(pad_to_multiple(image, multiple))
        features = self.masked(to_channels_last(space_to_batch(self.intro(padded[:, : self.in_channels]), self.stride)))
        if self.context_channels:
            context = self.context(padded[:, self.in_channels :])
            features = features + space_to_batch(self.join(context), self.stride)
        phases = self._each_phase(space_to_batch(features, self.dilation))
        features = batch_to_space(self.final(batch_to_space(phases, self.dilation)), self.stride)
        if self.context_channels:
            features = torch.cat([features, context], 1)
        output = crop_to(self.tail(to_channels_last(features)), image)
        return self.first_guess(image) + output if self.residual else output

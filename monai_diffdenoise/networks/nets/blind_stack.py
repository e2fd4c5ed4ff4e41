# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A small blind-spot network for a slice and its neighbors: the one that trains in a minute."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks.context import ContextFeatures
from monai_diffdenoise.networks.blocks.masked_conv import MaskedConv, Shape, is_blind
from monai_diffdenoise.networks.blocks.phases import batch_to_space, crop_to, pad_to_multiple, space_to_batch

__all__ = ["BlindStack"]


class BlindStack(nn.Module):
    """Estimate each pixel of a slice from the pixels around it and from the neighboring slices, never from itself.

    The blinded channels go through a masked convolution and then, phase by phase, through an ordinary network; the
    context goes through an ordinary network whole; 1x1 convolutions join the two. The last layer starts at zero, so
    that the untrained output is the mean of the nearest context channels, or, without context, the mean of the pixels
    around the blind spot.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels that are blinded, the first ones of the input.
        out_channels: channels of the output.
        channels: features of the first level of both networks. A multiple of 4.
        context_channels: channels after the blinded ones, which may be seen whole: their noise must be independent of
            the noise in the target. 0 for none.
        levels: resolution levels of the network on the context.
        blind_levels: resolution levels of the network on the phases.
        blind_spot: odd sizes of the blind spot in pixels, of all axes or of each: 1 for white noise, else as far as the
            noise is correlated. None: the blinded channels are not looked at (slice-blind).
        blind_shape: of the spot, "square" or "diamond"; see :func:`~monai_diffdenoise.networks.blocks.spot_offsets`.
        base_channels: the context channels whose mean the output starts from; None: the two in the middle of an even
            number (the nearest slices), else all.
        norm: MONAI's name of a normalization that does not mix the items of a batch, with or without its arguments;
            None for no normalization.

    Shape:
        (B, in_channels + context_channels, *S) to (B, out_channels, *S) for any S, in normalised units (about 0 to 1,
        unclipped).

    Raises:
        InputError: for an argument outside the ranges above.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        channels: int = 16,
        context_channels: int = 0,
        levels: int = 3,
        blind_levels: int = 2,
        blind_spot: int | Sequence[int] | None = 1,
        blind_shape: Shape = "square",
        base_channels: Sequence[int] | None = None,
        norm: str | tuple[str, dict[str, int]] | None = None,
    ) -> None:
        super().__init__()
        if min(in_channels, out_channels) < 1 or context_channels < 0 or (blind_spot is None and not context_channels):
            raise InputError(
                f"got in_channels={in_channels}, out_channels={out_channels}, context_channels={context_channels} and "
                f"blind_spot={blind_spot}; expected channels from 1, and context where the spot is the whole slice"
            )
        if isinstance(norm, str | tuple) and "batch" in (norm if isinstance(norm, str) else norm[0]).lower():
            raise InputError(f"got norm={norm}; expected one that does not mix the items of a batch, such as GROUP")
        self.in_channels, self.out_channels, self.context_channels = in_channels, out_channels, context_channels
        if base_channels is None:
            middle = context_channels // 2
            base_channels = range(context_channels) if context_channels % 2 else (middle - 1, middle)
            base_channels = base_channels if context_channels else ()
        self.base_channels = list(base_channels)
        if bool(self.base_channels) != bool(context_channels) or not all(
            0 <= c < context_channels for c in self.base_channels
        ):
            raise InputError(
                f"got base_channels={self.base_channels}; expected indices from 0 to {context_channels - 1}, or None"
            )
        features = 0
        self.context = None
        if context_channels:
            self.context = ContextFeatures(spatial_dims, context_channels, channels, levels, norm)
            features += channels
        self.first, self.body = None, None
        self.blind: set[tuple[int, ...]] | None = None
        """Offsets from a pixel to the blinded pixels that its estimate does not depend on; None for all of them."""
        if blind_spot is not None:
            sizes = [blind_spot] * spatial_dims if isinstance(blind_spot, int) else list(blind_spot)
            self.first = MaskedConv(
                spatial_dims, in_channels, channels, [size + 2 for size in sizes], blind_spot, blind_shape
            )
            self.body = ContextFeatures(spatial_dims, channels, channels, blind_levels, norm)
            self.blind = self.first.blind
            # half the kernel and half the spot: one more than the farthest tap can come back over the spot
            self.period = [size + 1 for size in sizes]
            assert is_blind(self.first.taps, self.first.blind, self.period)
            features += channels
        convolution = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
        self.tail = nn.Sequential(
            nn.LeakyReLU(0.1),
            convolution(features, 2 * channels, 1),
            nn.LeakyReLU(0.1),
            convolution(2 * channels, out_channels, 1),
        )
        last = self.tail[-1]
        assert isinstance(last, nn.Conv2d | nn.Conv3d) and last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def base(self, image: torch.Tensor) -> torch.Tensor:
        """What the learned part is added to: (B, 1, *S), or (B, out_channels, *S) where each has its own channel."""
        if self.context_channels:
            return image[:, self.in_channels :][:, self.base_channels].mean(1, keepdim=True)
        assert self.first is not None
        seen = image if self.in_channels == self.out_channels else image.mean(1, keepdim=True)
        convolve = F.conv2d if image.dim() == 4 else F.conv3d
        reach = [size // 2 for size in self.first.kernel_size]
        taps = self.first.mask.to(image.dtype)
        total = convolve(seen.flatten(0, 1)[:, None], taps, padding=reach).reshape(seen.shape)
        # of those inside the image; a single pixel has none
        count = convolve(torch.ones_like(seen[:1, :1]), taps, padding=reach)
        return total / count.clamp_min(1)

    def residual(self, image: torch.Tensor) -> torch.Tensor:
        """The learned part alone, (B, out_channels, *S)."""
        features = []
        if self.context is not None:
            features.append(self.context(image[:, self.in_channels :]))
        if self.first is not None and self.body is not None:
            around = self.first(image[:, : self.in_channels])
            padded = pad_to_multiple(around, self.period)
            phases = self.body(space_to_batch(padded, self.period))
            features.append(crop_to(batch_to_space(phases, self.period), image))
        residual: torch.Tensor = self.tail(torch.cat(features, 1))
        return residual

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.base(image) + self.residual(image)

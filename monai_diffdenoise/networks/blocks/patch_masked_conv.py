# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A masked convolution for large blind patches: cheap for far taps, and squeezed to a smaller patch when asked."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks.masked_conv import MaskedConv, Shape, spot_offsets

__all__ = ["PatchMaskedConv"]


class PatchMaskedConv(MaskedConv):
    """LG-BPN's densely sampled patch-masked convolution.

    The same function as :class:`MaskedConv`, except that only the taps at multiples of ``step`` are stored and computed
    (a dilated kernel of 11 x 11 instead of one of 21 x 21 whose other taps are zero), and that a trained kernel can be
    squeezed: every tap moves toward the center and is shared, bilinearly, between the pixels around its new place. That
    is a fixed linear map of the weights, so the squeezed layer is an ordinary convolution again. Shares that would fall
    on the smaller patch go to the other pixels of the same tap, so the smaller patch is blind exactly.

    Args:
        spatial_dims: 2 or 3.
        in_channels: of the input; the patch is blind for all of them.
        out_channels: of the output.
        kernel_size: odd, of all axes or of each.
        spot: odd sizes of the patch; see :func:`~monai_diffdenoise.networks.blocks.spot_offsets`.
        shape: "square" or "diamond".
        step: only taps at offsets that are multiples of this are used.

    Shape:
        (B, in_channels, *S) to (B, out_channels, *S).

    Raises:
        InputError: when no tap is left, or a number is outside these ranges.
    """

    share: torch.Tensor | None

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        spot: int | Sequence[int],
        shape: Shape = "diamond",
        step: int = 1,
    ) -> None:
        super().__init__(spatial_dims, in_channels, out_channels, kernel_size, spot, shape, step)
        lattice = (slice(None), slice(None), *(slice(k // 2 % step, None, step) for k in self.kernel_size))
        self.weight = nn.Parameter(self.weight.detach()[lattice].clone())
        self.register_buffer("mask", self.mask[lattice].clone(), persistent=False)
        self.register_buffer("share", None, persistent=False)
        self.shape: Shape = shape
        self._trained = (self.blind, self.taps)

    def squeeze(self, spot: int | Sequence[int] | None) -> None:
        """Make the patch smaller from now on, with the trained weights; ``None`` goes back.

        Args:
            spot: odd sizes, none larger than the patch of the training.

        Raises:
            InputError: a larger patch.
        """
        self.blind, self.taps = self._trained
        self.share = None
        if spot is None:
            return
        axes = len(self.kernel_size)
        blind = spot_offsets(spot, self.shape, axes)
        if not blind <= self.blind:
            raise InputError(
                f"got blind spot {spot} for a network trained with a smaller one; expected at most the same"
            )
        if blind == self.blind:
            return
        # the first pixel outside the old patch moves to the first outside the new one
        ratios = [(max(d[axis] for d in blind) + 1) / (max(d[axis] for d in self.blind) + 1) for axis in range(axes)]
        rows = {d: _shares([a * r for a, r in zip(d, ratios, strict=True)], blind) for d in self.taps}
        self.blind, self.taps = blind, {place for row in rows.values() for place in row}
        halves = [max(abs(place[axis]) for place in self.taps) for axis in range(axes)]
        share = torch.zeros(*self.mask.shape[2:], *(2 * half + 1 for half in halves), dtype=torch.float64)
        for d, row in rows.items():
            index = [a // self.step + n // 2 for a, n in zip(d, self.mask.shape[2:], strict=True)]
            for place, value in row.items():
                share[(*index, *(p + half for p, half in zip(place, halves, strict=True)))] = value
        self.share = share.to(self.weight.device)

    def kernel(self) -> tuple[torch.Tensor, int]:
        """The weights in use, zero over the blind patch, and the distance between them in pixels."""
        weight = self.weight * self.mask
        if self.share is None:
            return weight, self.step
        return torch.tensordot(weight, self.share.to(weight), dims=len(self.kernel_size)), 1

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        weight, step = self.kernel()
        convolve = F.conv2d if len(self.kernel_size) == 2 else F.conv3d
        padding = tuple(n // 2 * step for n in weight.shape[2:])
        return convolve(image, weight, self.bias, padding=padding, dilation=step)

    def mean(self, image: torch.Tensor) -> torch.Tensor:
        """Mean of the pixels at the taps, of those inside the image: a first guess that is as blind as the layer.

        Args:
            image: (B, C, *S).

        Returns:
            (B, C, *S); 0 where no tap is inside.
        """
        axes, channels = len(self.kernel_size), image.shape[1]
        halves = [max(abs(d[axis]) for d in self.taps) for axis in range(axes)]
        live = torch.zeros([1, 1, *(2 * half + 1 for half in halves)])
        for d in self.taps:
            live[(0, 0, *(a + half for a, half in zip(d, halves, strict=True)))] = 1
        live = live.to(image)
        convolve = F.conv2d if axes == 2 else F.conv3d
        total = convolve(image, live.expand(channels, *live.shape[1:]), padding=halves, groups=channels)
        count = convolve(torch.ones_like(image[:1, :1]), live, padding=halves)
        return total / count.clamp(min=1)


def _shares(place: Sequence[float], blind: set[tuple[int, ...]]) -> dict[tuple[int, ...], float]:
    """How a tap at a place between pixels is shared by those around it that are not blind; the shares add up to 1."""
    around = itertools.product(*({math.floor(p), math.ceil(p)} for p in place))
    found = {d: math.prod(1 - abs(a - p) for a, p in zip(d, place, strict=True)) for d in around if d not in blind}
    total = sum(found.values())
    return {d: value / total for d, value in found.items()}

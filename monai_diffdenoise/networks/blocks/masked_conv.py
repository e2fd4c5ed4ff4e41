# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A convolution with a hole: the one place where a blind-spot network is made blind."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError

__all__ = ["MaskedConv", "is_blind", "spot_offsets"]

Shape = Literal["square", "diamond"]


def _odd(name: str, sizes: int | Sequence[int], spatial_dims: int) -> tuple[int, ...]:
    found = (sizes,) * spatial_dims if isinstance(sizes, int) else tuple(sizes)
    if len(found) != spatial_dims or any(size < 1 or size % 2 == 0 for size in found):
        raise InputError(f"got {name}={sizes} in {spatial_dims} dimensions; expected an odd number for each of them")
    return found


def spot_offsets(spot: int | Sequence[int], shape: Shape = "square", spatial_dims: int = 2) -> set[tuple[int, ...]]:
    """Offsets from a pixel to those that its estimate must not depend on, itself included.

    Args:
        spot: odd sizes in pixels, of all axes or of each.
        shape: "square": all offsets within the sizes. "diamond": those with ``|a| / r_a + |b| / r_b <= 1``, where r is
            half of the size, rounded down.
        spatial_dims: 2 or 3.

    Raises:
        InputError: an even size, or another shape.
    """
    sizes = _odd("spot", spot, spatial_dims)
    if shape not in ("square", "diamond"):
        raise InputError(f"got shape={shape!r}; expected square or diamond")
    inside = itertools.product(*(range(-(size // 2), size // 2 + 1) for size in sizes))
    if shape == "square":
        return set(inside)
    radii = [max(size // 2, 1) for size in sizes]
    # in whole numbers, since 1/3 + 2/3 is not always 1
    whole = math.prod(radii)
    return {d for d in inside if sum(abs(a) * (whole // r) for a, r in zip(d, radii, strict=True)) <= whole}


class MaskedConv(nn.Module):
    """Convolution of stride 1 that keeps the size, whose kernel is zero over the blind spot.

    The border is padded with zeros: mirrored pixels would come back at offsets that the mask does not cover. The mask
    multiplies the weights whenever they are used, so no optimizer step, averaging or loading of weights can open it.

    Args:
        spatial_dims: 2 or 3.
        in_channels: of the input; the spot is blind for all of them.
        out_channels: of the output.
        kernel_size: odd, of all axes or of each.
        spot: see :func:`spot_offsets`.
        shape: see :func:`spot_offsets`.
        step: only taps at offsets that are multiples of this are used, for a far reach with few weights.
        bias: add one number to each output channel.

    Shape:
        (B, in_channels, *S) to (B, out_channels, *S).

    Raises:
        InputError: when no tap is left, or a number is outside these ranges.
    """

    mask: torch.Tensor

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int] = 3,
        spot: int | Sequence[int] = 1,
        shape: Shape = "square",
        step: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3) or min(in_channels, out_channels, step) < 1:
            raise InputError(
                f"got spatial_dims={spatial_dims}, in_channels={in_channels}, out_channels={out_channels} and "
                f"step={step}; expected 2 or 3 dimensions, and at least 1"
            )
        self.kernel_size = _odd("kernel_size", kernel_size, spatial_dims)
        self.in_channels, self.out_channels, self.step = in_channels, out_channels, step
        self.blind = spot_offsets(spot, shape, spatial_dims)
        self.taps = {
            d
            for d in itertools.product(*(range(-(k // 2), k // 2 + 1) for k in self.kernel_size))
            if d not in self.blind and all(a % step == 0 for a in d)
        }
        if not self.taps:
            raise InputError(f"got kernel_size={kernel_size} and spot={spot}; expected a kernel larger than the spot")
        mask = torch.zeros(self.kernel_size)
        for d in self.taps:
            mask[tuple(a + k // 2 for a, k in zip(d, self.kernel_size, strict=True))] = 1
        self.register_buffer("mask", mask[None, None], persistent=False)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *self.kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        # as torch does, but counting only the taps that are used
        bound = 1 / math.sqrt(in_channels * len(self.taps))
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        convolve = F.conv2d if len(self.kernel_size) == 2 else F.conv3d
        return convolve(image, self.weight * self.mask, self.bias, padding=tuple(k // 2 for k in self.kernel_size))

    def is_blind(self, period: int | Sequence[int]) -> bool:
        """Whether the spot stays blind when all that follows mixes only pixels a multiple of ``period`` apart."""
        return is_blind(self.taps, self.blind, period)


def is_blind(taps: set[tuple[int, ...]], blind: set[tuple[int, ...]], period: int | Sequence[int]) -> bool:
    """Whether no pixel of the blind set can be reached by a tap and steps of whole periods.

    Args:
        taps: offsets that the masked convolution sees.
        blind: offsets that must stay unseen.
        period: distance along each axis, or one for all, at which pixels are mixed after the convolution.
    """
    axes = len(next(iter(taps)))
    periods = (period,) * axes if isinstance(period, int) else tuple(period)
    classes = {tuple(a % s for a, s in zip(d, periods, strict=True)) for d in taps}
    return not any(tuple(a % s for a, s in zip(d, periods, strict=True)) in classes for d in blind)

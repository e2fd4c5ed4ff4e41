# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Proof of a blind spot: gradients that are exactly zero, with every parameter away from its initial value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import nn

__all__ = ["randomize", "seen", "seen_in_spot"]


def randomize(network: nn.Module, seed: int = 0, scale: float = 0.2) -> nn.Module:
    """The network in float64 with every parameter random: scales that start at zero would hide a leak."""
    generator = torch.Generator().manual_seed(seed)
    network = network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * scale)
    return network


def seen(run: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, pixel: Sequence[int]) -> torch.Tensor:
    """Size of the gradient of one output pixel (all channels) over the input (B, C, *S), image 0."""
    image = image.detach().clone().requires_grad_(True)
    output = run(image)
    # weights that differ, so that channels cannot cancel
    weights = torch.arange(1, output.shape[1] + 1, dtype=output.dtype)
    (output[(0, slice(None), *pixel)] * weights).sum().backward()
    assert image.grad is not None
    return image.grad[0].abs()


def seen_in_spot(
    run: Callable[[torch.Tensor], torch.Tensor],
    image: torch.Tensor,
    pixels: Iterable[Sequence[int]],
    spot: Iterable[Sequence[int]],
    channels: slice = slice(0, 1),
) -> tuple[float, float]:
    """Largest gradient over the blind offsets of some pixels, and, as a control, over all other places.

    Args:
        run: the network, or a whole pipeline.
        image: (B, C, *S), float64.
        pixels: where to look.
        spot: offsets from a pixel that must not be seen.
        channels: of the input, which are blinded.
    """
    size, spot = image.shape[2:], list(spot)
    inside, outside = 0.0, 0.0
    for pixel in pixels:
        gradient = seen(run, image, pixel)
        for offset in spot:
            place = tuple(p + o for p, o in zip(pixel, offset, strict=True))
            if all(0 <= p < side for p, side in zip(place, size, strict=True)):
                at = (channels, *place)
                inside = max(inside, float(gradient[at].max()))
                gradient[at] = 0
        outside = max(outside, float(gradient.max()))
    return inside, outside

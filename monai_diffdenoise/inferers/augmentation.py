# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Test-time augmentation: the mean of a network's estimates over the flips and turns that move pixels onto pixels."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import nn

from monai_diffdenoise.errors import InputError

__all__ = ["FlipRotateMean", "keeps_turned"]


def keeps_turned(network: Callable[..., torch.Tensor]) -> bool:
    """Whether a network's blind offsets, if it tells them, stay the same when the axes are reversed.

    None, for the whole image, does.
    """
    offsets: set[tuple[int, ...]] | None = getattr(network, "blind", None)
    return offsets is None or all(d[::-1] in offsets for d in offsets)


class FlipRotateMean(nn.Module):
    """Mean over all flips and, in two dimensions, all 90-degree rotations: 8 passes, as in three dimensions.

    Nothing is interpolated, so a blind spot stays blind wherever it is in every pass. A spot that is wider along one
    axis would be turned away from the noise that it has to cover: then only flips are used.

    Args:
        network: (B, C, *S) to (B, C', *S) for any size.
        rotate: also rotate, images of two dimensions only. None: where they have two dimensions and the network's
            ``blind`` offsets, if it tells them, stay the same when rows and columns change places.

    Shape:
        as the network, for any size: (B, C, *S) to (B, C', *S).
    """

    def __init__(self, network: Callable[[torch.Tensor], torch.Tensor], rotate: bool | None = None) -> None:
        super().__init__()
        self.network, self.rotate = network, rotate
        self.training = getattr(network, "training", False)

    @property
    def blind(self) -> set[tuple[int, ...]] | None:
        """Offsets that no pass sees; None for all of them.

        Raises:
            AttributeError: the network has no ``blind``.
        """
        offsets: set[tuple[int, ...]] | None = getattr(self.network, "blind")  # noqa: B009
        if offsets is None:
            return None
        axes = len(next(iter(offsets)))
        found = set(offsets)
        for signs in itertools.product((1, -1), repeat=axes):
            for turned in (False, True) if self._rotates(axes) else (False,):
                moved = {d[::-1] if turned else d for d in offsets}
                found &= {tuple(a * s for a, s in zip(d, signs, strict=True)) for d in moved}
        return found

    def _rotates(self, axes: int) -> bool:
        if self.rotate is None:
            return axes == 2 and keeps_turned(self.network)
        if self.rotate and axes != 2:
            raise InputError(f"got rotate=True for images of {axes} dimensions; expected 2: slices differ from planes")
        return self.rotate

    def _passes(self, axes: int) -> Iterator[tuple[list[int], bool]]:
        """Axes to flip, and whether rows and columns change places after that."""
        for flips in itertools.product((False, True), repeat=axes):
            for turned in (False, True) if self._rotates(axes) else (False,):
                yield [axis + 2 for axis, flip in enumerate(flips) if flip], turned

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        total, count = torch.zeros(()), 0
        # one by one: all at once would be faster only where a single one does not fill the device
        for flips, turned in self._passes(image.dim() - 2):
            moved = image.flip(flips)
            estimate = self.network(moved.transpose(-1, -2) if turned else moved)
            estimate = (estimate.transpose(-1, -2) if turned else estimate).flip(flips)
            total = total + estimate if count else estimate
            count += 1
        return total / count

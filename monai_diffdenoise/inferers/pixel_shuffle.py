# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Run a network on the phases of an image, with one stride while training and another afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks.phases import batch_to_space, crop_to, pad_to_multiple, space_to_batch

__all__ = ["PixelShuffled"]

Stride = int | Sequence[int]


class PixelShuffled(nn.Module):
    """A network that sees every s-th pixel at a time (the asymmetric pixel shuffle of AP-BSN).

    A large stride while training breaks up the correlation of the noise; a smaller one afterwards keeps detail. The
    phases lie one behind the other on the batch axis, so no pixel of one can be reached from another, as it could on a
    mosaic. Context channels are shuffled like the image, and what is blind stays blind: pixel i depends on pixels a
    multiple of the stride away, and not on those that the network is blind to.

    Args:
        network: (B, C, *S) to (B, C', *S) for any size.
        stride: in evaluation mode, for all axes or for each; 1 leaves the image as it is.
        training_stride: in training mode; the same when None.

    Shape:
        as the network, for any size: (B, C, *S) to (B, C', *S).

    Raises:
        InputError: a stride below 1.
    """

    def __init__(
        self, network: Callable[[torch.Tensor], torch.Tensor], stride: Stride = 1, training_stride: Stride | None = None
    ) -> None:
        super().__init__()
        for given in (stride, stride if training_stride is None else training_stride):
            if min([given] if isinstance(given, int) else given) < 1:
                raise InputError(f"got a pixel-shuffle stride of {given}; expected at least 1")
        self.network = network
        self.stride, self.training_stride = stride, stride if training_stride is None else training_stride
        # VolumeSliceInferer puts back the mode that it finds, which must be the network's
        self.training = getattr(network, "training", False)

    @property
    def blind(self) -> set[tuple[int, ...]] | None:
        """The network's blind offsets in pixels of the image; others are unseen as well unless multiples of the stride.

        None for all of them, where the network sees nothing of the blinded channels.

        Raises:
            AttributeError: the network has no ``blind``.
        """
        stride = self.training_stride if self.training else self.stride
        offsets: set[tuple[int, ...]] | None = getattr(self.network, "blind")  # noqa: B009
        if offsets is None:
            return None
        return {
            tuple(a * s for a, s in zip(d, [stride] * len(d) if isinstance(stride, int) else stride, strict=True))
            for d in offsets
        }

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        stride = self.training_stride if self.training else self.stride
        phases = space_to_batch(pad_to_multiple(image, stride if isinstance(stride, int) else list(stride)), stride)
        return crop_to(batch_to_space(self.network(phases), stride), image)

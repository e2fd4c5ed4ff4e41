# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Random-replacing refinement (R3 of AP-BSN): the network again, on its estimate with some noisy pixels put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from monai_diffdenoise.errors import InputError

__all__ = ["RandomReplacing"]


class RandomReplacing(nn.Module):
    """Mean of ``network(where(mask, noisy, first))`` over random masks, where ``first`` is the first estimate.

    Noisy pixels that are put back lie far apart, so their noise is nearly independent however it is correlated. The
    result is not blind: what surrounds a pixel in the first estimate has seen it. Context channels stay as they are.

    The masks come from a generator of their own, on the CPU, and are the same for every call and every image of a
    batch: a slice's result depends neither on what it is batched with nor on the device. They do depend on the size of
    the image, so tiles go inside (see :class:`~monai_diffdenoise.inferers.ExactTiles`), not outside.

    Args:
        network: (B, C, *S) to (B, ``channels``, *S) for any size; without pixel shuffle or with a small stride.
        estimate: makes the first estimate from the same input, such as the network on a larger stride; ``network``
            when None.
        repeats: T, the number of masks.
        probability: p that a pixel is replaced by the noisy one, for each channel by itself.
        channels: of the input that are denoised; those after them are context.
        seed: of the masks.
        batch_size: most images a pass of the network; repeats share passes.

    Shape:
        as the network, for any size: (B, C, *S) to (B, channels, *S).

    Raises:
        InputError: a number outside its range, or a first estimate with another number of channels.
    """

    def __init__(
        self,
        network: Callable[[torch.Tensor], torch.Tensor],
        estimate: Callable[[torch.Tensor], torch.Tensor] | None = None,
        repeats: int = 8,
        probability: float = 0.16,
        channels: int = 1,
        seed: int = 0,
        batch_size: int = 8,
    ) -> None:
        super().__init__()
        if min(repeats, channels, batch_size) < 1 or not 0 <= probability <= 1:
            raise InputError(
                f"got repeats={repeats}, channels={channels}, batch_size={batch_size}, probability={probability}; "
                "expected at least 1, and a probability from 0 to 1"
            )
        self.network, self.estimate = network, estimate if estimate is not None else network
        self.repeats, self.probability, self.channels = repeats, probability, channels
        self.seed, self.batch_size = seed, batch_size
        self.training = getattr(network, "training", False)

    def _masks(self, size: torch.Size) -> Iterator[torch.Tensor]:
        """Boolean (channels, *S), where the noisy image is put back."""
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(self.repeats):
            yield torch.rand((self.channels, *size), generator=generator) < self.probability

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        noisy, context = image[:, : self.channels], image[:, self.channels :]
        first = self.estimate(image)
        if first.shape != noisy.shape:
            raise InputError(
                f"got a first estimate of shape {tuple(first.shape)} for channels of shape {tuple(noisy.shape)}; "
                "expected equal ones"
            )
        total, waiting = torch.zeros_like(first), []
        at_once = max(self.batch_size // max(len(image), 1), 1)
        for number, mask in enumerate(self._masks(image.shape[2:]), 1):
            mixed = torch.where(mask.to(image.device), noisy, first.to(noisy.dtype))
            waiting.append(torch.cat([mixed, context], 1))
            if len(waiting) == at_once or number == self.repeats:
                for refined in self.network(torch.cat(waiting)).chunk(len(waiting)):
                    total = total + refined
                waiting = []
        return total / self.repeats

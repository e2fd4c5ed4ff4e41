# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Run a blind-spot network: pixel shuffle, refinement, augmentation and tiles, put together in the right order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer

from monai_diffdenoise.inferers.augmentation import FlipRotateMean, keeps_turned
from monai_diffdenoise.inferers.exact_tiles import ExactTiles
from monai_diffdenoise.inferers.pixel_shuffle import PixelShuffled, Stride
from monai_diffdenoise.inferers.random_replacing import RandomReplacing

__all__ = ["BlindSpotInferer"]


class BlindSpotInferer(Inferer):
    """Everything that is done to a blind-spot network after its training, short of fusion.

    From the inside out:

    1. tiles with halo (:class:`~monai_diffdenoise.inferers.ExactTiles`), of the phases: a network never gets more;
    2. pixel shuffle (:class:`~monai_diffdenoise.inferers.PixelShuffled`);
    3. random replacing (:class:`~monai_diffdenoise.inferers.RandomReplacing`): its masks are those of whole images,
       so tiles cannot be outside of it, and its second look has a stride of its own;
    4. flips and rotations (:class:`~monai_diffdenoise.inferers.FlipRotateMean`), the mean of all that.

    :meth:`wrap` returns it as a module, for ``VolumeSliceInferer``, MONAI's ``SlidingWindowInferer`` or any engine;
    then come scaling back, slices into volumes, and posterior fusion as the last step. Without refinement the estimate
    of a pixel is blind to that pixel, which fusion with a margin of 1 rests on.

    Args:
        stride: of the pixel shuffle. None: the one of a network that comes in ``PixelShuffled``, else 1.
        repeats: masks of the refinement; 0 for none.
        probability: that the refinement puts a noisy pixel back.
        refine_stride: of the pixel shuffle in the refinement's second look.
        augment: mean over flips and rotations.
        rotate: see :class:`~monai_diffdenoise.inferers.FlipRotateMean`.
        channels: of the input that are denoised; those after them are context.
        seed: of the refinement's masks.
        tile: largest side of what the network gets, halo included; None for whole images.
        halo: see :class:`~monai_diffdenoise.inferers.ExactTiles`; used with ``tile``.
        multiple: period of the network; used with ``tile``.
        batch_size: images or tiles a pass, where several of one image could share it.
    """

    def __init__(
        self,
        stride: Stride | None = None,
        repeats: int = 0,
        probability: float = 0.16,
        refine_stride: Stride = 1,
        augment: bool = False,
        rotate: bool | None = None,
        channels: int = 1,
        seed: int = 0,
        tile: int | None = None,
        halo: int = 64,
        multiple: int = 1,
        batch_size: int = 8,
    ) -> None:
        self.stride, self.refine_stride = stride, refine_stride
        self.repeats, self.probability, self.seed = repeats, probability, seed
        self.augment, self.rotate, self.channels = augment, rotate, channels
        self.tile, self.halo, self.multiple, self.batch_size = tile, halo, multiple, batch_size

    def wrap(self, network: Callable[..., torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
        """The network with all of it around, (B, C + context, *S) to (B, C, *S) for any size.

        Args:
            network: blind-spot network, or one in ``PixelShuffled`` as it was trained, whose strides are then replaced.
        """
        stride = self.stride
        if isinstance(network, PixelShuffled):
            stride = network.stride if stride is None else stride
            network = network.network
        inside: Callable[..., torch.Tensor] = network
        if self.tile is not None:
            inside = ExactTiles(inside, self.tile, self.halo, self.multiple, self.batch_size)
        run: Callable[..., torch.Tensor] = PixelShuffled(inside, 1 if stride is None else stride)
        rotate = self.rotate
        if rotate is None and not keeps_turned(run):
            # the refinement tells no blind spot of its own
            rotate = False
        if self.repeats:
            run = RandomReplacing(
                PixelShuffled(inside, self.refine_stride),
                run,
                self.repeats,
                self.probability,
                self.channels,
                self.seed,
                self.batch_size,
            )
        return FlipRotateMean(run, rotate) if self.augment else run

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Denoise (B, C + context, *S), normalised; further arguments are ignored, as MONAI's engines pass some."""
        return self.wrap(network)(inputs)

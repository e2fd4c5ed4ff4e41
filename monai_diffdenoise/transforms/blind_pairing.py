# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The pair of a blind-spot network: the image is its own target."""

from __future__ import annotations

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.pairing import Pairing, SliceBlindPair

__all__ = ["BlindSpotPair"]


class BlindSpotPair(Pairing):
    """Slice i, with or without its neighbors as context, and slice i again as target.

    Only for networks that are blind by construction to the target's own place in the first channel. The context
    channels may be seen whole (2.5D): their noise is independent of the target's wherever the noise of the volume is
    independent between slices. The same goes for companions, other time points of a series, at slice i.

    Args:
        axis: spatial axis (0 to 2, or negative) along which the slices are stacked.
        distance: slices from one to the next of the context, 1 or more.
        context: neighbors beside slice i: 0, 2 (i-1, i+1) or 4 (i-2, i-1, i+1, i+2), times ``distance``; mirrored at
            the ends of the stack.
        companions: channels of the volume behind the first, in its units: not denoised, only looked at.
    """

    # a copy of the border pixel beside it would show the network what it must not see
    padding = "constant"

    def __init__(self, axis: int = -1, distance: int = 1, context: int = 0, companions: int = 0) -> None:
        super().__init__(axis, distance)
        if context not in (0, 2, 4) or companions < 0:
            raise InputError(
                f"got context={context} and companions={companions}; expected 0, 2 or 4 neighboring slices, and "
                "companions from 0"
            )
        self.context, self.companions, self.in_channels = context, companions, 1 + context + companions
        self._around = SliceBlindPair(axis, distance)

    def num_pairs(self, volume: torch.Tensor) -> int:
        depth = self.stack(volume).shape[0]
        return depth if not self.context or depth > 2 * self.distance else 0

    def _chosen(self, depth: int, index: int) -> list[int]:
        if not self.context:
            return [index]
        before, near_before, near_after, after = self._around.neighbors(depth, index)
        return [index, *([near_before, near_after] if self.context == 2 else [before, near_before, near_after, after])]

    def inputs(self, volume: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        slices = self.stack(volume)
        own = torch.stack([slices[self._chosen(slices.shape[0], index), 0] for index in range(start, stop)])
        return torch.cat([own, slices[start:stop, 1:]], dim=1) if self.companions else own

    def __call__(  # type: ignore[override]
        self, volume: torch.Tensor, index: int, weight: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        if volume.shape[0] != 1 + self.companions:
            raise InputError(
                f"got a volume of {volume.shape[0]} channels; blind-spot pairs are made of one channel at a time, and "
                f"{self.companions} companions"
            )
        target = self.stack(volume)[index][:1]
        image = self.inputs(volume, index, index + 1)[0]
        return {"image": image, "target": target, "weight": self._weight(weight, index, target)}

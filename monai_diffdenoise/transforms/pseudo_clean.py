# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of a noisy slice and what was made of it: what a student is trained on."""

from __future__ import annotations

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.blind_pairing import BlindSpotPair
from monai_diffdenoise.transforms.conditioned_pair import ConditionedPair, RandConditionedPaird

__all__ = ["PseudoCleanPair", "RandPseudoCleanPaird"]


class PseudoCleanPair(ConditionedPair):
    """Slice i of the noisy volume, with or without its neighbors, and slice i of ``targets``.

    The weight says how far each voxel of the target is trusted. Unlike for a blind-spot network, the student sees the
    pixel itself: its target is not the noisy image.

    Args:
        axis: spatial axis (0 to 2, or negative) along which the slices are stacked.
        distance: slices from one to the next of the context, 1 or more.
        context: neighbors beside slice i: 0, 2 (i-1, i+1) or 4 (i-2, i-1, i+1, i+2), times ``distance``; mirrored at
            the ends of the stack.
    """

    def __init__(self, axis: int = -1, distance: int = 1, context: int = 0) -> None:
        super().__init__("recorrupted", axis, distance)
        self._shown = BlindSpotPair(axis, distance, context)
        self.context, self.in_channels = context, self._shown.in_channels

    def num_pairs(self, volume: torch.Tensor) -> int:
        return self._shown.num_pairs(volume) * volume.shape[0]

    def inputs(
        self, volume: torch.Tensor, start: int, stop: int, condition: torch.Tensor | None = None
    ) -> torch.Tensor:
        return self._shown.inputs(volume, start, stop)

    def __call__(  # type: ignore[override]
        self,
        volume: torch.Tensor,
        index: int,
        weight: torch.Tensor | None = None,
        condition: torch.Tensor | None = None,
        targets: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Pair number ``index``.

        Args:
            volume: the noisy one (C, *S).
            index: from 0 to ``num_pairs(volume) - 1``.
            weight: (1, *S); 1 when None.
            condition: not looked at.
            targets: (C, *S).

        Raises:
            InputError: targets that are missing, or of another shape.
        """
        if targets is None or targets.shape != volume.shape:
            shape = "none" if targets is None else tuple(targets.shape)
            raise InputError(f"got targets of shape {shape}; expected that of the volume, {tuple(volume.shape)}")
        place, _, time, _ = self.place(volume, index)
        one = slice(time, time + 1)
        target = self.stack(targets)[place, one]
        image = self.inputs(volume[one], place, place + 1)[0]
        return {"image": image, "target": target, "weight": self._weight(weight, place, target)}


class RandPseudoCleanPaird(RandConditionedPaird):
    """Draw one pair from a dictionary with ``image``, ``targets`` and ``weight``.

    As :class:`~monai_diffdenoise.transforms.RandPaird`, but image and target never swap roles.

    Args:
        pairing: a :class:`PseudoCleanPair`.
        options: of :class:`~monai_diffdenoise.transforms.RandConditionedPaird`.
    """

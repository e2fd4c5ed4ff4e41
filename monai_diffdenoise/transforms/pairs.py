# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Random noisy pairs for training, as one MONAI dictionary transform."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from monai.transforms import MapTransform, Randomizable
from monai.utils import convert_to_tensor
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.pairing import Pairing

__all__ = ["RandPaird", "held_out"]

Part = Literal["train", "validation", "all"]


def held_out(num_pairs: int, every: int = 10) -> list[int]:
    """Which pairs are kept from training, so that the score is told on targets that no network has seen.

    Every ``every``-th pair; the middle one of fewer pairs; none of fewer than four, where training needs them all, nor
    when ``every`` is 0.
    """
    if every < 0 or every == 1:
        raise InputError(
            f"got every={every}; expected 0 (hold none out) or at least 2, so that some are left to train on"
        )
    if num_pairs < 4 or every == 0:
        return []
    return list(range(min(every, num_pairs) // 2, num_pairs, every))


@lru_cache(maxsize=64)
def _members(part: Part, num_pairs: int, every: int) -> tuple[int, ...]:
    # remembered, since a long 4D series has a hundred thousand pairs and each draw asks
    kept = held_out(num_pairs, every) if part != "all" else []
    if part == "validation":
        return tuple(kept or range(num_pairs))
    return tuple(sorted(set(range(num_pairs)) - set(kept)))


class RandPaird(MapTransform, Randomizable):
    """Draw one noisy pair from a volume, the same patch of each, in the same one of the eight orientations.

    The input dictionary holds a volume (C, *S) and, if there is one, its weight (1, *S); the output dictionary holds
    ``image``, ``target`` and ``weight`` as plain, contiguous tensors (C, p, p), whichever pairing made them.

    Args:
        pairing: which slices make a pair.
        key: where the volume is.
        weight_key: where the volume's weight is; a missing one counts as 1 everywhere.
        patch_size: side of the patch in pixels. Slices that are smaller are padded, with weight 0 there.
        part: draw from the pairs used for ``train``, for ``validation``, or from ``all``; see :func:`held_out`.
        augment: rotate by multiples of 90 degrees, flip, and swap the roles of image and target where they are alike.
        holdout_every: passed to :func:`held_out`; the same for training and validation.

    Raises:
        InputError: when the volume offers no pair.
    """

    def __init__(
        self,
        pairing: Pairing,
        key: Hashable = "image",
        weight_key: Hashable = "weight",
        patch_size: int = 48,
        part: Part = "train",
        augment: bool = True,
        holdout_every: int = 10,
    ) -> None:
        super().__init__([key])
        if part not in ("train", "validation", "all") or patch_size < 1:
            raise InputError(
                f"got part={part!r} and patch_size={patch_size}; "
                "expected part train, validation or all, and a size from 1"
            )
        self.pairing, self.weight_key = pairing, weight_key
        self.patch_size, self.part, self.augment, self.holdout_every = patch_size, part, augment, holdout_every

    def indices(self, volume: torch.Tensor) -> tuple[int, ...]:
        """The pairs of this part. A volume that can spare none for validation is validated on all."""
        return _members(self.part, self.pairing.num_pairs(volume), self.holdout_every)

    def randomize(self, data: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
        indices, size = data
        self._index = indices[self.R.randint(len(indices))]
        room = [max(side - self.patch_size, 0) for side in size]
        self._corner = [self.R.randint(space + 1) for space in room]
        self._turns, self._flip, self._swap = self.R.randint(4), self.R.randint(2), self.R.randint(2)

    def _patch(self, image: torch.Tensor, mode: str) -> torch.Tensor:
        (top, left), size = self._corner, self.patch_size
        patch = image[:, top : top + size, left : left + size]
        missing = [size - patch.shape[1], size - patch.shape[2]]
        if any(missing):
            patch = F.pad(patch[None], (0, missing[1], 0, missing[0]), mode=mode)[0]
        if self.augment:
            patch = torch.rot90(patch, self._turns, (1, 2))
            patch = patch.flip(2) if self._flip else patch
        # never a view: what is done to the pair must not reach the volume
        return patch.clone(memory_format=torch.contiguous_format)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        volume = convert_to_tensor(data[self.keys[0]], track_meta=False)
        weight = data.get(self.weight_key)
        if weight is not None:
            weight = convert_to_tensor(weight, track_meta=False)
        indices = self.indices(volume)
        if not indices:
            raise InputError(
                f"got a volume of shape {tuple(volume.shape)}; {type(self.pairing).__name__} finds no pair in it "
                f"along axis {self.pairing.axis} at distance {self.pairing.distance}"
            )
        size = tuple(np.delete(volume.shape[1:], self.pairing.axis % 3))
        self.randomize((indices, size))
        pair = self.pairing(volume, self._index, weight)
        if self.augment and self._swap and pair["image"].shape == pair["target"].shape:
            pair["image"], pair["target"] = pair["target"], pair["image"]
        modes = {"image": "replicate", "target": "replicate", "weight": "constant"}
        return {name: self._patch(value, modes[name]) for name, value in pair.items()}

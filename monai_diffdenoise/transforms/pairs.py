# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Random noisy pairs for training, as one MONAI dictionary transform."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from monai.transforms import MapTransform, Randomizable, Transform
from monai.utils import MAX_SEED, convert_to_tensor
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.holdout import Holdout, hold_out
from monai_diffdenoise.transforms.pairing import Pairing

__all__ = ["RandPaird"]

Part = Literal["train", "validation", "all"]


class RandPaird(MapTransform, Randomizable):
    """Draw one noisy pair from a volume, the same patch of each, in the same one of the eight orientations.

    The input dictionary holds a volume (C, *S) and, if there is one, its weight (1, *S); the output dictionary holds
    ``image``, ``target`` and ``weight`` as plain, contiguous tensors (C, p, p), whichever pairing made them.

    Args:
        pairing: which slices make a pair.
        key: where the volume is.
        weight_key: where the volume's weight is; a missing one counts as 1 everywhere.
        patch_size: side of the patch in pixels. Slices that are smaller are padded, with weight 0 there.
        part: draw from the pairs used for ``train``, for ``validation``, or from ``all``; see
            :func:`~monai_diffdenoise.transforms.hold_out`.
        augment: rotate by multiples of 90 degrees, flip, and, except for validation, swap the roles of image and target
            where they are alike.
        holdout_every: one slice (or strip) of so many is kept for validation; the same for training and validation.
        after: what is done to each pair once its patch is cut, in the orientation of the volume, such as
            :class:`~monai_diffdenoise.transforms.MaskPixelsd`; seeded with this transform.

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
        after: Transform | None = None,
    ) -> None:
        super().__init__([key])
        if part not in ("train", "validation", "all") or patch_size < 1:
            raise InputError(
                f"got part={part!r} and patch_size={patch_size}; "
                "expected part train, validation or all, and a size from 1"
            )
        self.pairing, self.weight_key, self.after = pairing, weight_key, after
        self.patch_size, self.part, self.augment, self.holdout_every = patch_size, part, augment, holdout_every
        self._holdouts: dict[tuple[int, ...], Holdout] = {}

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandPaird:
        """Set MONAI's random state, here and in ``after``.

        Args:
            seed: of a new state.
            state: a state to go on with, in place of a seed.
        """
        Randomizable.set_random_state(self, seed, state)
        after: Any = self.after
        if isinstance(after, Randomizable):
            after.set_random_state(seed=int(self.R.randint(MAX_SEED, dtype=np.uint32)))
        return self

    def holdout(self, volume: torch.Tensor) -> Holdout:
        """How the pairs of a volume (C, *S) are divided."""
        # remembered, since a long 4D series has a hundred thousand pairs and each draw asks
        shape = tuple(volume.shape)
        if shape not in self._holdouts:
            every = self.holdout_every if self.part != "all" else 0
            self._holdouts[shape] = hold_out(self.pairing.targets(volume), self._size(volume), every)
        return self._holdouts[shape]

    def indices(self, volume: torch.Tensor) -> tuple[int, ...]:
        """The pairs of this part. A volume that can spare none for validation is validated on all."""
        found = self.holdout(volume)
        return found.validation if self.part == "validation" else found.train

    def _size(self, volume: torch.Tensor) -> tuple[int, ...]:
        return tuple(int(side) for side in np.delete(volume.shape[1:], self.pairing.axis % 3))

    def randomize(self, data: torch.Tensor) -> None:
        """Draw the pair of a volume (C, *S), the place of the patch, and its orientation."""
        indices, size, found = self.indices(data), self._size(data), self.holdout(data)
        self._index = indices[self.R.randint(len(indices))]
        ranges = [(0, max(side - self.patch_size, 0)) for side in size]
        if self.part == "validation" and found.strips:
            # elsewhere nothing would count
            start, stop = found.strips[self.R.randint(len(found.strips))]
            last = ranges[found.axis][1]
            first = min(max(stop - self.patch_size, 0), start, last)
            ranges[found.axis] = (first, max(min(start, last), first))
        self._corner = [first + self.R.randint(last - first + 1) for first, last in ranges]
        self._turns, self._flip, self._swap = self.R.randint(4), self.R.randint(2), self.R.randint(2)

    def _cut(self, image: torch.Tensor, mode: str) -> torch.Tensor:
        (top, left), size = self._corner, self.patch_size
        patch = image[:, top : top + size, left : left + size]
        missing = [size - patch.shape[1], size - patch.shape[2]]
        if any(missing):
            patch = F.pad(patch[None], (0, missing[1], 0, missing[0]), mode=mode)[0]
        # never a view: what is done to the pair must not reach the volume
        return patch.clone(memory_format=torch.contiguous_format)

    def _turn(self, patch: torch.Tensor) -> torch.Tensor:
        patch = torch.rot90(patch, self._turns, (1, 2))
        return (patch.flip(2) if self._flip else patch).contiguous()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        volume = convert_to_tensor(data[self.keys[0]], track_meta=False)
        weight = data.get(self.weight_key)
        if weight is not None:
            weight = convert_to_tensor(weight, track_meta=False)
        if not self.indices(volume):
            raise InputError(
                f"got a volume of shape {tuple(volume.shape)}; {type(self.pairing).__name__} finds no pair in it "
                f"along axis {self.pairing.axis} at distance {self.pairing.distance}"
            )
        self.randomize(volume)
        pair = self.pairing(volume, self._index, weight)
        swaps = self.augment and self.part != "validation"
        if swaps and self._swap and pair["image"].shape == pair["target"].shape:
            pair["image"], pair["target"] = pair["target"], pair["image"]
        modes = {"image": self.pairing.padding, "target": self.pairing.padding, "weight": "constant"}
        patch: dict[Hashable, Any] = {name: self._cut(value, modes[name]) for name, value in pair.items()}
        inside = self.holdout(volume).inside
        if inside is not None:
            counts = inside if self.part == "validation" else ~inside
            patch["weight"] = patch["weight"] * self._cut(counts, "constant")
        if self.after is not None:
            patch = self.after(patch)
        return {name: self._turn(value) for name, value in patch.items()} if self.augment else patch

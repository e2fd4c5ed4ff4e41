# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of a volume and of what a first network made of it: what a conditional model is trained on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Literal, get_args

import numpy as np
import torch
from monai.utils import convert_to_tensor

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.pairing import Pairing
from monai_diffdenoise.transforms.pairs import RandPaird

__all__ = ["ConditionedPair", "RandConditionedPaird"]

Target = Literal["same", "neighbor", "repeat", "recorrupted"]


class ConditionedPair(Pairing):
    """A condition of slice i, made once for the whole volume, and a noisy target.

    The condition c comes from the noisy volume y through a first network, usually blind-spot. A model that learns the
    target from c learns to read the target's noise from c as far as it is there: each pixel of a blind-spot network's
    output is free of the pixel's own noise, but not of its neighbors', and all together tell it. The targets, and
    whether their noise is in c:

    - ``same``: slice i of y. Not in c where c was made without slice i (``sees_slice=False``, a slice-blind network).
      After a blind-spot network it IS in c: the published pairing, kept for comparison.
    - ``neighbor``: slice i + distance of y, weighted. Not in c where c was made from slices nearer than that
      (``reach``).
    - ``repeat``: slice i of another repeat. Never in c, if each repeat is denoised by itself.
    - ``recorrupted``: slice i of ``targets``. Not in c if c was made from the recorrupted volume: y + tau z all
      through, and ``targets`` is y - z / tau (Pang et al. 2021).

    Where the target is free of it, slice i of y may be shown beside c (``show_noisy``), which then holds more than c.

    Args:
        target: see above.
        axis: spatial axis (0 to 2, or negative) along which the slices are stacked.
        distance: slices from slice i to a neighboring target, 1 or more.
        reach: slices on either side of slice i that c was made from; 0 for a 2D network.
        sees_slice: whether c was made from slice i, too.
        show_noisy: the image is c and slice i of y, not c alone.

    Raises:
        InputError: another target, or ``show_noisy`` or a neighbor where the image would hold the target.
    """

    def __init__(
        self,
        target: Target = "neighbor",
        axis: int = -1,
        distance: int = 1,
        reach: int = 0,
        sees_slice: bool = True,
        show_noisy: bool = False,
    ) -> None:
        super().__init__(axis, distance)
        if target not in get_args(Target) or reach < 0:
            raise InputError(f"got target={target!r}, reach={reach}; expected one of {get_args(Target)}, at least 0")
        if target == "neighbor" and distance <= reach:
            raise InputError(
                f"got neighbors at distance {distance} and a condition made from slices up to {reach} away, which "
                "holds them; expected a larger distance, a condition from slice i alone, or recorrupted targets"
            )
        if target == "same" and show_noisy:
            raise InputError("got show_noisy with target same, which would show the target; expected another target")
        self.target, self.reach, self.sees_slice, self.show_noisy = target, reach, sees_slice, show_noisy
        self.in_channels = 2 if show_noisy else 1

    @property
    def leak_free(self) -> bool:
        """Whether the target's noise is independent of the image, if noise is independent between slices."""
        return self.target != "same" or not self.sees_slice

    def _times(self, volume: torch.Tensor) -> list[tuple[int, int]]:
        count = volume.shape[0]
        if self.target != "repeat":
            return [(c, c) for c in range(count)]
        return [(a, b) for a in range(count) for b in range(count) if a != b]

    def num_pairs(self, volume: torch.Tensor) -> int:
        depth = self.stack(volume).shape[0]
        places = max(depth - self.distance, 0) * 2 if self.target == "neighbor" else depth
        return places * len(self._times(volume))

    def targets(self, volume: torch.Tensor) -> np.ndarray:
        """The slice that is the target of each pair, (num_pairs, 1)."""
        return np.array([[self.place(volume, k)[1]] for k in range(self.num_pairs(volume))]).reshape(-1, 1)

    def place(self, volume: torch.Tensor, index: int) -> tuple[int, int, int, int]:
        """Of pair number ``index``: the slice, the target's slice, and the channels (time points) of both.

        Args:
            volume: (C, *S).
            index: of the pair.
        """
        times = self._times(volume)
        place, which = divmod(index, len(times))
        offset = 0
        if self.target == "neighbor":
            # both ways, since image and target are of different kinds
            place, back = divmod(place, 2)
            place, offset = (place + self.distance, -self.distance) if back else (place, self.distance)
        return place, place + offset, *times[which]

    def inputs(
        self, volume: torch.Tensor, start: int, stop: int, condition: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What the model sees of slices ``start`` to ``stop`` of a volume of one channel.

        Args:
            volume: (1, *S).
            start: the first slice.
            stop: the slice after the last.
            condition: of the volume, (C, *S).

        Returns:
            (stop - start, C_in, h, w).

        Raises:
            InputError: without a condition.
        """
        if condition is None:
            raise InputError("got no condition; expected the volume that the first network made")
        shown = [self.stack(condition)[start:stop]]
        return torch.cat([*shown, self.stack(volume)[start:stop]] if self.show_noisy else shown, dim=1)

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
            volume: y (C, *S).
            index: from 0 to ``num_pairs(volume) - 1``.
            weight: (1, *S); for neighbors the matched-region weight of the pairs (i, i + distance); 1 when None.
            condition: c (C, *S), channel by channel from y.
            targets: of recorrupted pairs, (C, *S).

        Raises:
            InputError: a volume that is missing, or of another shape.
        """
        wanted = {"condition": condition}
        if self.target == "recorrupted":
            wanted["targets"] = targets
        for name, found in wanted.items():
            if found is None or found.shape != volume.shape:
                shape = "none" if found is None else tuple(found.shape)
                raise InputError(f"got {name} of shape {shape}; expected that of the volume, {tuple(volume.shape)}")
        here, there, first, second = self.place(volume, index)
        one, other = slice(first, first + 1), slice(second, second + 1)
        target = self.stack(targets if self.target == "recorrupted" and targets is not None else volume)[there, other]
        image = self.inputs(volume[one], here, here + 1, condition[one] if condition is not None else None)[0]
        return {"image": image, "target": target, "weight": self._weight(weight, min(here, there), target)}


class _Joined(Pairing):
    """A conditioned pairing that a plain transform can call: the other volumes are handed over beforehand.

    The target is put behind the image, so that the two differ in shape and never swap roles.
    """

    def __init__(self, pairing: ConditionedPair) -> None:
        super().__init__(pairing.axis, pairing.distance)
        self.pairing = pairing
        self.condition: torch.Tensor | None = None
        self.corrupted: torch.Tensor | None = None

    def num_pairs(self, volume: torch.Tensor) -> int:
        return self.pairing.num_pairs(volume)

    def targets(self, volume: torch.Tensor) -> np.ndarray:
        return self.pairing.targets(volume)

    def inputs(self, volume: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        return self.pairing.inputs(volume, start, stop, self.condition)

    def __call__(  # type: ignore[override]
        self, volume: torch.Tensor, index: int, weight: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        pair = self.pairing(volume, index, weight, self.condition, self.corrupted)
        return {**pair, "image": torch.cat([pair["image"], pair["target"]])}


class RandConditionedPaird(RandPaird):
    """Draw one pair from a dictionary with the noisy volume, its condition and, where it has one, its weight.

    As :class:`~monai_diffdenoise.transforms.RandPaird`, but image and target never swap roles.

    Args:
        pairing: which slices make a pair.
        condition_key: where the condition c is, of the shape of the noisy volume.
        targets_key: where the targets of recorrupted pairs are, of the shape of the noisy volume.
        options: of :class:`~monai_diffdenoise.transforms.RandPaird`.

    Raises:
        InputError: when the volume offers no pair.
    """

    pairing: _Joined

    def __init__(
        self,
        pairing: ConditionedPair,
        condition_key: Hashable = "condition",
        targets_key: Hashable = "targets",
        **options: Any,
    ) -> None:
        super().__init__(_Joined(pairing), **options)
        self.condition_key, self.targets_key = condition_key, targets_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if self.keys[0] not in data:
            raise InputError(f"got no {self.keys[0]}; expected the noisy volume under it")
        volume = convert_to_tensor(data[self.keys[0]], track_meta=False)
        condition, targets = (
            convert_to_tensor(data[name], track_meta=False) if name in data else None
            for name in (self.condition_key, self.targets_key)
        )
        if not self.pairing.num_pairs(volume):
            raise InputError(
                f"got a volume of shape {tuple(volume.shape)}; no pair with target {self.pairing.pairing.target} along "
                f"axis {self.pairing.axis} at distance {self.pairing.distance} is in it"
            )
        self.pairing.condition, self.pairing.corrupted = condition, targets
        pair = super().__call__(data)
        pair["image"] = pair["image"][: -pair["target"].shape[0]].contiguous()
        return pair

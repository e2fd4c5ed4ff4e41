# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How a noisy pair is made from a volume: choosing the pairing chooses the method."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from monai.transforms import Transform

from monai_diffdenoise.errors import InputError

__all__ = ["NeighborSlicePair", "Pairing", "RepeatPair", "SliceBlindPair"]


class Pairing(Transform, ABC):
    """Array transform from a volume and an index to a noisy pair of 2D slices.

    Calling it returns ``{"image": (C_in, h, w), "target": (C, h, w), "weight": (1, h, w)}`` as views of the volume
    where it can. The noise of ``target`` is independent of the noise in ``image`` wherever the noise of the volume is
    independent along the paired direction; whether it is, ``analysis.measure_slices`` measures.

    Args:
        axis: spatial axis (0 to 2, or negative) along which the slices are stacked.
        distance: slices from one to the next partner, 1 or more.
    """

    #: channels of ``image`` that show the target's own place best; their mean is the network's starting point
    base_channels: tuple[int, ...] = (0,)
    #: channels of ``image`` for a volume of one channel
    in_channels: int = 1
    #: further time points of a series, channels of the volume behind the first, that the network sees whole
    companions: int = 0
    #: how patches of slices that are too small are padded, as ``torch.nn.functional.pad`` names it
    padding: str = "replicate"

    def __init__(self, axis: int = -1, distance: int = 1) -> None:
        if not -3 <= axis <= 2 or distance < 1:
            raise InputError(
                f"got axis={axis} and distance={distance}; expected an axis from -3 to 2, a distance from 1"
            )
        self.axis, self.distance = axis, distance

    def stack(self, volume: torch.Tensor) -> torch.Tensor:
        """The volume (C, *S) as slices (D, C, h, w), a view.

        Raises:
            InputError: not (C, X, Y, Z).
        """
        if volume.dim() != 4:
            raise InputError(
                f"got a volume of shape {tuple(volume.shape)}; expected (C, X, Y, Z): slices are paired in 3D volumes"
            )
        return volume.movedim(self.axis % 3 + 1, 0)

    def unstack(self, slices: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`stack`."""
        return slices.movedim(0, self.axis % 3 + 1)

    @abstractmethod
    def num_pairs(self, volume: torch.Tensor) -> int:
        """How many pairs the volume (C, *S) offers; 0 when it is too small for this pairing."""

    def targets(self, volume: torch.Tensor) -> np.ndarray:
        """The slices that may be the target of each pair, so that none is both trained and validated on.

        Returns:
            ``(num_pairs(volume), k)``: the last column is the target, those before it stand in for it where the roles
            of image and target are swapped.
        """
        return np.arange(self.num_pairs(volume))[:, None]

    @abstractmethod
    def inputs(self, volume: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """What the network sees when slices ``start`` to ``stop`` of a one-channel volume (1, *S) are denoised.

        Returns:
            ``(stop - start, C_in, h, w)``.
        """

    @abstractmethod
    def __call__(  # type: ignore[override]  # MONAI's array transforms with several arguments all do this
        self, volume: torch.Tensor, index: int, weight: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Pair number ``index`` of the volume (C, *S).

        Args:
            volume: (C, *S).
            index: from 0 to ``num_pairs(volume) - 1``.
            weight: (1, *S), how far each voxel's pair is trusted; 1 everywhere when None.
        """

    def _weight(self, weight: torch.Tensor | None, index: int, like: torch.Tensor) -> torch.Tensor:
        if weight is None:
            return torch.ones_like(like[:1])
        return self.stack(weight)[index]


class NeighborSlicePair(Pairing):
    """Slice i and slice i + distance, the pair of NS-N2N (arXiv 2411.10831).

    ``weight[i]`` is the matched-region matrix of the pair, from
    :class:`~monai_diffdenoise.transforms.MatchedRegionWeight`.
    """

    def num_pairs(self, volume: torch.Tensor) -> int:
        return max(self.stack(volume).shape[0] - self.distance, 0)

    def targets(self, volume: torch.Tensor) -> np.ndarray:
        first = np.arange(self.num_pairs(volume))
        return np.stack([first, first + self.distance], axis=1)

    def inputs(self, volume: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        return self.stack(volume)[start:stop]

    def __call__(  # type: ignore[override]
        self, volume: torch.Tensor, index: int, weight: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        slices = self.stack(volume)
        image, target = slices[index], slices[index + self.distance]
        return {"image": image, "target": target, "weight": self._weight(weight, index, image)}


class SliceBlindPair(Pairing):
    """Slices i-2, i-1, i+1, i+2 (times ``distance``) and slice i, which the network never sees (Noise2Stack).

    It holds where noise is correlated in the plane but not across slices. The stack is reflected at its ends.
    """

    in_channels = 4
    base_channels = (1, 2)

    def num_pairs(self, volume: torch.Tensor) -> int:
        depth = self.stack(volume).shape[0]
        return depth if depth >= 2 * self.distance + 1 else 0

    def neighbors(self, depth: int, index: int) -> list[int]:
        """Indices of the neighbors in a stack; a missing one gives way to its mirror image, else to a nearer one.

        Args:
            depth: slices of the stack.
            index: of the slice whose neighbors are asked for.

        Raises:
            InputError: when the stack has none that could stand in.
        """
        found = []
        for offset in (-2 * self.distance, -self.distance, self.distance, 2 * self.distance):
            nearer = self.distance if offset > 0 else -self.distance
            inside = [step for step in (offset, -offset, nearer, -nearer) if 0 <= index + step < depth]
            if not inside:
                raise InputError(
                    f"got a stack of {depth} slices; slice-blind pairs at distance {self.distance} need more"
                )
            found.append(index + inside[0])
        return found

    def inputs(self, volume: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        slices = self.stack(volume)[:, 0]
        return torch.stack([slices[self.neighbors(slices.shape[0], index)] for index in range(start, stop)])

    def __call__(  # type: ignore[override]
        self, volume: torch.Tensor, index: int, weight: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        if volume.shape[0] != 1:
            raise InputError(
                f"got a volume of {volume.shape[0]} channels; slice-blind pairs are made of one channel at a time"
            )
        target = self.stack(volume)[index]
        return {
            "image": self.inputs(volume, index, index + 1)[0],
            "target": target,
            "weight": self._weight(weight, index, target),
        }


class RepeatPair(Pairing):
    """The same slice at two time points of a series (C = time), for repeats of one contrast.

    The series must repeat the same image (fMRI, ASL of one kind, DWI at one b-value and direction): then the noise is
    independent whatever its correlation in space, and nothing has to be matched.
    """

    def _times(self, volume: torch.Tensor) -> list[tuple[int, int]]:
        count = volume.shape[0]
        return [(a, b) for a in range(count) for b in range(a + 1, count)]

    def num_pairs(self, volume: torch.Tensor) -> int:
        return self.stack(volume).shape[0] * len(self._times(volume))

    def targets(self, volume: torch.Tensor) -> np.ndarray:
        # at all times: one time point is in many pairs, so another pair of the same place would show its noise
        return np.arange(self.stack(volume).shape[0]).repeat(len(self._times(volume)))[:, None]

    def inputs(self, volume: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        return self.stack(volume)[start:stop]

    def __call__(  # type: ignore[override]
        self, volume: torch.Tensor, index: int, weight: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        times = self._times(volume)
        place, which = divmod(index, len(times))
        first, second = times[which]
        single = self.stack(volume)[place]
        image, target = single[first : first + 1], single[second : second + 1]
        return {"image": image, "target": target, "weight": self._weight(weight, place, image)}

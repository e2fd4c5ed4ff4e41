# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Other time points of a series, shown to the network that denoises one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch

from monai_diffdenoise.data.storage import allocate, runs
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.repeats import repeats_one_image
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["Companions", "count_companions"]

_MOST = 6
_DRAWN = "what differs by less than the noise is drawn together (companions 0 keeps time points apart)"
# Slices, and pixels of each along both axes, by which time points are compared.
_SLICES, _SIDE = 16, 64


def count_companions(volume: Volume, settings: DenoiseSettings, sigma: float) -> tuple[int, str]:
    """How many other time points a blind-spot network sees, and why; an empty reason where there are none to see.

    Their noise is independent, whatever its correlation within a time point, and where directions, contrasts or phases
    differ, anatomy does not. Where all differ by noise alone, what little does change (as in functional series) would
    be taken for noise, so there each is denoised without the others unless asked for.

    Args:
        volume: with three spatial axes.
        settings: what the user asked for.
        sigma: noise standard deviation of one time point in input units.

    Raises:
        InputError: more were asked for than there are, or the method takes none.
    """
    others = volume.image.shape[0] - 1 if volume.channels == "time" else 0
    if settings.companions is not None:
        if settings.companions > others:
            raise InputError(
                f"got companions = {settings.companions} for {others + 1} time points; expected {others} at most"
            )
        if settings.companions and settings.method == "diffdenoise":
            raise InputError("got companions with method diffdenoise, which takes none: choose method bsn, or 0")
        return settings.companions, f"{settings.companions} other time points as context: asked for" if others else ""
    if not others or settings.method == "diffdenoise":
        return 0, ""
    same, change = repeats_one_image(volume, sigma)
    if same or not change:
        return 0, f"no other time points as context: {change}" if change else ""
    count = min(others, _MOST)
    return count, f"{count} other time points as context: {change}; {_DRAWN}"


class Companions:
    """Which time points go with which, and a time point with its companions as one image.

    Args:
        image: (C, X, Y, Z).
        scalings: of each channel, to normalised units.
        count: companions of each channel, under C.
        slice_axis: axis along which slices lie one behind the other in memory.
    """

    def __init__(self, image: torch.Tensor, scalings: list[AffineScaling], count: int, slice_axis: int) -> None:
        self.image, self.scalings, self.count, self.slice_axis = image, scalings, count, slice_axis
        self._order: list[list[int]] | None = None

    def of(self, channel: int) -> list[int]:
        """The time points that look most like one, the most similar first."""
        if self._order is None:
            like = torch.corrcoef(self._sample()).nan_to_num()
            ranks = [like[c].neg().argsort(stable=True).tolist() for c in range(len(like))]
            self._order = [[other for other in rank if other != c][: self.count] for c, rank in enumerate(ranks)]
        return self._order[channel]

    def around(self, channel: int, part: tuple[slice, ...] | None = None) -> torch.Tensor:
        """The companions of a channel, or of a part (index of (1, X, Y, Z)) of it, (count, *S), normalised."""
        index = part or (slice(None),) * 4
        found = [self.scalings[other].apply(self.image[other : other + 1][index]) for other in self.of(channel)]
        return torch.cat(found)

    def stack(self, channel: int) -> torch.Tensor:
        """A channel and behind it its companions in its units, (1 + count, X, Y, Z)."""
        result = allocate((1 + self.count, *self.image.shape[1:]), self.slice_axis, self.image.dtype)
        for place, other in enumerate([channel, *self.of(channel)]):
            for index in runs(result[place : place + 1], self.slice_axis):
                values = self.image[other : other + 1][index]
                if other != channel:
                    values = self.scalings[channel].invert(self.scalings[other].apply(values))
                result[place : place + 1][index] = values
        return result

    def each(
        self, progress: Callable[[int, int], None]
    ) -> Iterator[tuple[int, torch.Tensor, Callable[[int, int], None]]]:
        """Every channel, its stack, and a progress that is a part of a common one."""
        count = self.image.shape[0]
        for channel in range(count):
            yield channel, self.stack(channel), partial(_part, progress, channel, count)

    def _sample(self) -> torch.Tensor:
        """Some voxels of each time point, (C, N), less than one image of them all."""
        index: list[slice] = [slice(None)]
        for axis, side in enumerate(self.image.shape[1:]):
            most = _SLICES if axis == self.slice_axis % 3 else _SIDE
            index.append(slice(None, None, -(-side // most)))
        return self.image[tuple(index)].flatten(1).double()


def _part(progress: Callable[[int, int], None], number: int, count: int, done: int, total: int) -> None:
    progress(number * total + done, count * total)

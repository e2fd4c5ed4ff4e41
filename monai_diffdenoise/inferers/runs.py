# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A volume some slices at a time, and means over boxes that come out the same however many there are at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError

__all__ = ["Run", "box_mean", "odd_at_most"]


@dataclass(frozen=True)
class Run:
    """Slices of a volume: wanted are ``start`` to ``stop`` of ``depth``, at hand ``halo`` more on each side.

    At the ends of the volume at least ``2 * halo + 1`` are at hand, since pooling refuses less than its window.
    """

    axis: int
    depth: int
    start: int
    stop: int
    halo: int = 0

    @property
    def first(self) -> int:
        """First slice at hand."""
        return max(min(self.start - self.halo, self.depth - 2 * self.halo - 1), 0)

    @property
    def last(self) -> int:
        """One behind the last slice at hand."""
        return min(max(self.stop + self.halo, 2 * self.halo + 1), self.depth)

    def cut(self, volume: torch.Tensor) -> torch.Tensor:
        """The slices at hand, of the whole volume."""
        return volume.narrow(self.axis, self.first, self.last - self.first)

    def core(self, part: torch.Tensor) -> torch.Tensor:
        """The slices wanted, of those at hand."""
        return part.narrow(self.axis, self.start - self.first, self.stop - self.start)


def odd_at_most(window: int, side: int) -> int:
    """The window, or the widest odd one that the side holds."""
    return min(window, side if side % 2 else side - 1)


def _mean_along(volume: torch.Tensor, axis: int, size: int, padding: int) -> torch.Tensor:
    """Mean of ``size`` voxels along an axis, of those that lie inside."""
    sizes, paddings = (
        [value if other == axis else rest for other in range(3)] for value, rest in ((size, 1), (padding, 0))
    )
    return F.avg_pool3d(volume[None, None], sizes, 1, paddings, count_include_pad=False)[0, 0]


def box_mean(volume: torch.Tensor, window: int | Sequence[int], run: Run | None = None) -> torch.Tensor:
    """Mean over a box of odd sides, no wider than the volume, of the part of it that lies inside.

    Args:
        volume: (X, Y, Z); with a run, what is at hand of it.
        window: sides of the box in voxels, of all axes or of each.
        run: the slices that are at hand and wanted.

    Returns:
        (X, Y, Z), or of it what the run wants.

    Raises:
        InputError: an even side.
    """
    windows = (window,) * 3 if isinstance(window, int) else tuple(window)
    for axis, wide in enumerate(windows):
        if wide < 1 or wide % 2 == 0:
            raise InputError(f"got a window of {wide} voxels; expected an odd number")
        # axis by axis: the same mean, forty times faster for a side of 15
        along = run is not None and axis == run.axis
        size = odd_at_most(wide, run.depth if run is not None and along else volume.shape[axis])
        reach = size // 2
        if run is not None and along:
            near = replace(run, halo=min(reach, run.halo))
            volume = volume.narrow(axis, near.first - run.first, near.last - near.first)
            if near.start - near.first == reach == near.last - near.stop:
                volume = _mean_along(volume, axis, size, 0)
            else:
                volume = near.core(_mean_along(volume, axis, size, reach))
        else:
            volume = _mean_along(volume, axis, size, reach)
    return volume

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether the time points of a series repeat one image, so that one can teach the other."""

from __future__ import annotations

import torch

from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.transforms.block_noise import foreground_threshold
from monai_diffdenoise.transforms.scaling import robust_scaling

__all__ = ["change_over_time", "repeats_one_image"]

# Energy of a change over time, as a multiple of that of noise alone.
_SAME = 1.2
_SLICES = 16


def change_over_time(volume: Volume, sigma: float) -> float:
    """How far time points differ in the object: energy of their difference over that of noise alone.

    The larger of two values, for next time points in the middle of the series and for the first and the last one. 1 is
    noise and nothing else; motion, contrast, other weightings make it larger.

    Args:
        volume: a series with three spatial axes, two time points or more.
        sigma: noise standard deviation of one time point, measured within it, in input units.
    """
    image, axis = volume.image.as_tensor(), volume.slice_axis
    count, middle = image.shape[0], image.shape[0] // 2
    depth = image.shape[axis + 1]
    chosen = torch.linspace(0, depth - 1, min(depth, _SLICES)).round().long()
    stacks = [image[c].movedim(axis, 0)[chosen] for c in (middle - 1, middle, 0, count - 1)]
    # squares of very large or small units would leave float32
    scaling = robust_scaling(torch.stack(stacks))
    stacks = [scaling.apply(stack) for stack in stacks]
    worst = 0.0
    for one, two in ((stacks[0], stacks[1]), (stacks[2], stacks[3])):
        mean = (one + two) / 2
        inside = mean > foreground_threshold(mean)
        change = (two - one)[inside] if bool(inside.any()) else (two - one).flatten()
        worst = max(worst, float(change.double().square().mean()) / 2)
    return worst * (scaling.scale / sigma) ** 2


def repeats_one_image(volume: Volume, sigma: float) -> tuple[bool, str]:
    """Whether time points differ by noise alone, and a sentence with the number.

    Args:
        volume: see :func:`change_over_time`.
        sigma: the same.
    """
    if volume.channels != "time" or volume.image.shape[0] < 2 or not sigma > 0:
        return False, ""
    change = change_over_time(volume, sigma)
    what = f"{volume.image.shape[0]} time points differ by {change:.2f} times the energy of noise alone"
    return change <= _SAME, f"{what} ({_SAME:g} at most for repeats of one image)"

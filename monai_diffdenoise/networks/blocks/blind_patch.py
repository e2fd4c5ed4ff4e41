# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Sizes that keep a whole blind patch blind: how far a masked kernel reaches, and the period of what follows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks.masked_conv import Shape, is_blind

__all__ = ["blind_period", "far_kernel", "near_kernel"]


def near_kernel(spot: Sequence[int], shape: Shape) -> tuple[int, ...]:
    """Sizes of the dense kernel around a blind patch.

    A diamond leaves the corners of its own box, so the kernel may be as large as the patch, and is at least the 9
    pixels of LG-BPN. A square leaves nothing of its box: a rim of half of its radius is added.

    Args:
        spot: odd sizes of the patch.
        shape: "diamond" or "square".
    """
    radii = [size // 2 for size in spot]
    halves = [max(4, r) if shape == "diamond" else r + max(1, r // 2) for r in radii]
    return tuple(2 * half + 1 for half in halves)


def far_kernel(spot: Sequence[int]) -> tuple[int, ...]:
    """Sizes of the kernel that uses every second pixel: LG-BPN's 21 for patches up to 9, in its proportion above.

    Args:
        spot: odd sizes of the patch.
    """
    return tuple(2 * max(10, 2 * (size // 2) + 2) + 1 for size in spot)


def blind_period(
    taps: set[tuple[int, ...]], blind: set[tuple[int, ...]], least: Sequence[int], step: int = 1
) -> tuple[int, ...]:
    """The smallest periods, from ``least`` on, at which mixing pixels leaves the patch blind.

    Args:
        taps: offsets that the masked convolution sees.
        blind: offsets that must stay unseen.
        least: where to start, for each axis; all of them grow together.
        step: distance of the taps. Periods share no factor with it: with an even period, a kernel that sees every
            second pixel would never see the others.

    Raises:
        InputError: a blind pixel is among the taps, or a period below 1.
    """
    if taps & blind or min(least) < 1:
        raise InputError(f"got {len(taps & blind)} blind taps and periods from {tuple(least)}; expected none, and 1 up")
    for more in itertools.count():
        periods = []
        for first in least:
            period = first + more
            while math.gcd(period, step) > 1:
                period += 1
            periods.append(period)
        # ends, since no tap comes back once every period exceeds the reach of the taps plus that of the patch
        if is_blind(taps, blind, periods):
            break
    return tuple(periods)

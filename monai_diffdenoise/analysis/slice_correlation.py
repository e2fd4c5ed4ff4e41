# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
r"""How noise is correlated from slice to slice, told apart from anatomy that goes on across slices.

In flat places the mean square of half the difference of slices at distance d is

.. math:: \gamma(d) = \sigma^2 (1 - r_d) + s\, d^2

with the correlation r of the noise, which is short, and a change s of anatomy, which grows. Both are fitted to
:math:`\gamma` at 1 to 5 slices; r is taken as 0 from distance 3 on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from monai_diffdenoise.analysis.flat_blocks import cut_blocks, find_flat_blocks, fine_detail
from monai_diffdenoise.analysis.sigma import slice_stack

__all__ = ["SliceCorrelation", "measure_slice_correlation"]

_FAREST = 5
_CLEAN = 1.2
_FEWEST = 24


@dataclass(frozen=True)
class SliceCorrelation:
    """Correlation of the noise of slices.

    Args:
        at: correlation at distance 1 and 2; NaN where there are too few slices.
        drift: change of anatomy from slice to slice in flat places, standard deviation in units of the noise.
        error: standard error of the correlations.
    """

    at: tuple[float, float]
    drift: float
    error: float


def measure_slice_correlation(volume: torch.Tensor, axis: int = -1, side: int = 8) -> SliceCorrelation:
    """Fit noise correlation and anatomy to the variogram across slices.

    The same places serve all distances: blocks that are flat in the mean of the slices at both ends, at the largest
    distance.

    Args:
        volume: (X, Y, Z), finite.
        axis: along which the slices are stacked.
        side: of a block in pixels.

    Returns:
        NaN values with fewer than 4 slices or without flat blocks.
    """
    stack = slice_stack(volume, axis)
    farthest = min(_FAREST, stack.shape[0] - 1)
    unknown = SliceCorrelation((math.nan, math.nan), math.nan, math.nan)
    if farthest < 3:
        return unknown
    blocks = find_flat_blocks(stack, 0, distance=farthest, order=1, side=side, share=0.1)
    if blocks is None:
        return unknown
    # Texture that S shows a little would look like noise that slices share, so the limit is strict.
    clean = (blocks.structure < _CLEAN)[blocks.group]
    if int(clean.sum()) < _FEWEST:
        return unknown
    chosen = blocks.place[clean]
    columns = stack.shape[2] // side
    gammas = []
    for distance in range(1, farthest + 1):
        energy = torch.empty(len(chosen), dtype=torch.float64)
        for first in chosen[:, 0].unique():
            here = chosen[:, 0] == first
            cut = cut_blocks(fine_detail((stack[first + distance] - stack[first])[None]), side)
            index = chosen[here, 1] // side * columns + chosen[here, 2] // side
            energy[here] = (cut[index].square().mean((1, 2)) / 2).double()
        gammas.append(float(_trimmed_mean(energy)))
    far = range(3, farthest + 1)
    drift = 0.0
    if len(far) > 1:
        x = torch.tensor([float(d * d) for d in far], dtype=torch.float64)
        y = torch.tensor([gammas[d - 1] for d in far], dtype=torch.float64)
        drift = max(float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()), 0.0)
    level = sum(gammas[d - 1] - drift * d * d for d in far) / len(far)
    if not level > 0:
        return unknown
    at = [1 - (gammas[d - 1] - drift * d * d) / level for d in (1, 2)]
    error = math.sqrt(4 / (len(chosen) * side * side))
    return SliceCorrelation((at[0], at[1]), math.sqrt(drift / level), error)


def _trimmed_mean(energy: torch.Tensor) -> torch.Tensor:
    kept = energy
    for _ in range(4):
        kept = energy[energy <= 2.5 * kept.median()]
    return kept.mean()

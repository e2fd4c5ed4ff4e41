# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
r"""Places of a volume that hold noise and little else, found without looking at the noise that is then measured.

From runs of next slices two fields are made whose noise is independent when that of the slices is,

.. math:: D = (y_{i-d} - 2 y_i + y_{i+d}) / \sqrt 6, \qquad S = (y_{i-d} + y_i + y_{i+d}) / \sqrt 3

(or the difference and sum of two slices). Both have the noise variance of one slice; anatomy that changes steadily
from slice to slice cancels in D and stays in S. Blocks are picked by how little S varies in them, so picking does not
bias what D says: this is how anatomy is kept out, and how the blocks where it was not can be told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from monai_diffdenoise.analysis.sigma import pick_pairs, slice_stack

__all__ = ["FlatBlocks", "cut_blocks", "find_flat_blocks", "fine_detail", "slice_fields", "without_plane"]

_SHARE = 0.2
_BINS = 24
_FEWEST = 12
# A block of pure noise exceeds 2.5 medians once in a million; anatomy that D did not cancel does so often.
_OUTLIER = 2.5
# Half of a block being exactly equal in both slices: a masked background or a saturated region, not noise.
_DEAD = 0.25
_QUIET = 0.2
_QUIETER = 0.6


@dataclass(frozen=True, eq=False)
class FlatBlocks:
    """Blocks of the field D in which S is flat, grouped by brightness.

    Args:
        field: (M, b, b) of D, in input units; its noise variance is that of one slice.
        mean: (M,) brightness of the block, mean over slices and pixels.
        place: (M, 3) middle slice, row and column of the block's first pixel.
        group: (M,) index of the brightness group.
        structure: (G,) for each group, variance of S within blocks over mean square of D: near or below 1 without
            anatomy (a block's own mean takes some of the noise away), above where S holds more than noise.
        share: of all live blocks that were picked.
    """

    field: torch.Tensor
    mean: torch.Tensor
    place: torch.Tensor
    group: torch.Tensor
    structure: torch.Tensor
    share: float

    def group_means(self, values: torch.Tensor) -> torch.Tensor:
        """Mean of values (M,) in each group, (G,)."""
        count = torch.bincount(self.group, minlength=len(self.structure)).clamp(min=1)
        return torch.zeros(len(self.structure), dtype=values.dtype).index_add_(0, self.group, values) / count

    def select(self, which: torch.Tensor) -> FlatBlocks:
        """The blocks for which a boolean (M,) is true."""
        return replace(
            self,
            field=self.field[which],
            mean=self.mean[which],
            place=self.place[which],
            group=self.group[which],
        )

    def divided(self, variance: float) -> FlatBlocks:
        """The same blocks for a field that holds ``variance`` times the noise variance of one slice."""
        return replace(self, field=self.field / math.sqrt(variance), structure=self.structure * variance)

    @property
    def counts(self) -> torch.Tensor:
        """Number of blocks in each group, (G,)."""
        return torch.bincount(self.group, minlength=len(self.structure))

    @property
    def energy(self) -> torch.Tensor:
        """Mean square of D in each block, (M,)."""
        return self.field.square().mean((1, 2))


def slice_fields(
    stack: torch.Tensor, distance: int = 1, order: int = 2
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """D, the mean of the slices, and the index of the middle slice, on a sample of evenly spread runs.

    Args:
        stack: (N, H, W) slices.
        distance: slices from one to the next of a run.
        order: 2 for runs of three slices, 1 for two.

    Returns:
        D (n, H, W), mean (n, H, W), slice indices (n,); n is 0 where the stack is too short.
    """
    first = pick_pairs(stack, order * distance)
    if order == 1:
        a, b = stack[first], stack[first + distance]
        return (b - a) / math.sqrt(2), (a + b) / 2, first
    if order == 3:
        a, b, c, e = (stack[first + k * distance] for k in range(4))
        return (a - 3 * b + 3 * c - e) / math.sqrt(20), (a + b + c + e) / 4, first + distance
    a, b, c = stack[first], stack[first + distance], stack[first + 2 * distance]
    return (a - 2 * b + c) / math.sqrt(6), (a + b + c) / 3, first + distance


def cut_blocks(field: torch.Tensor, side: int) -> torch.Tensor:
    """Whole blocks (M, side, side) of slices (N, H, W); what does not fill a block is left out."""
    rows, columns = field.shape[1] // side, field.shape[2] // side
    cut = field[:, : rows * side, : columns * side]
    return cut.reshape(-1, rows, side, columns, side).transpose(2, 3).reshape(-1, side, side)


def fine_detail(field: torch.Tensor) -> torch.Tensor:
    """Second differences along both axes of slices (N, H, W), where noise outweighs texture by most.

    Scaled to keep the standard deviation of white noise; the outermost pixels repeat their neighbors.
    """
    rows = field[:, :-2] - 2 * field[:, 1:-1] + field[:, 2:]
    both = (rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 6
    return torch.nn.functional.pad(both[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]


def without_plane(blocks: torch.Tensor) -> torch.Tensor:
    """Blocks (M, b, b) less the plane that fits them best."""
    side = blocks.shape[1]
    line = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    ones = torch.ones(side, side, dtype=torch.float64)
    columns = torch.stack([ones, line[:, None] * ones, line[None, :] * ones]).reshape(3, -1)
    basis = (columns / columns.norm(dim=1, keepdim=True)).T
    flat = blocks.reshape(len(blocks), -1).double()
    return (flat - flat @ basis @ basis.T).reshape_as(blocks).to(blocks.dtype)


def _regional(energy: torch.Tensor, window: int = 7) -> torch.Tensor:
    """Low quantile over a window of blocks (N, rows, columns); energy of exactly 0 does not count."""
    pad = window // 2
    known = torch.where(energy > 0, energy, torch.nan)
    wide = torch.nn.functional.pad(known, (pad, pad, pad, pad), value=torch.nan)
    around = wide.unfold(1, window, 1).unfold(2, window, 1).flatten(3).nanquantile(_QUIET, 3)
    return around.nan_to_num(nan=1.0).clamp_min(torch.finfo(energy.dtype).tiny)


def find_flat_blocks(
    volume: torch.Tensor,
    axis: int = -1,
    distance: int = 1,
    order: int = 2,
    side: int = 8,
    share: float = _SHARE,
    fine: bool = False,
) -> FlatBlocks | None:
    """Pick the flattest blocks of every brightness.

    Args:
        volume: (X, Y, Z), finite.
        axis: along which the slices are stacked.
        distance: slices from one to the next of a run.
        order: 2 for runs of three slices, 1 for two.
        side: of a block in pixels.
        share: of the blocks of each brightness group that is picked.
        fine: measure the finest detail of D only (see :func:`fine_detail`), for noise that is white in the plane.

    Returns:
        the blocks; None where slices are too few or too small, or hold no noise at all.
    """
    stack = slice_stack(volume, axis)
    if stack.shape[0] <= order * distance or min(stack.shape[1:]) < side:
        return None
    field, middle, index = slice_fields(stack, distance, order)
    if fine:
        field = fine_detail(field)
    blocks, sums = cut_blocks(field, side), cut_blocks(middle, side)
    energy, mean = blocks.square().mean((1, 2)), sums.mean((1, 2))
    varies = sums.var((1, 2)) * (order + 1)
    # What is picked has little slope if there is a choice; a slope alone, as of a coil profile, is no reason for doubt.
    rough = without_plane(sums).square().mean((1, 2)) * (order + 1)
    live = ((blocks == 0).float().mean((1, 2)) < _DEAD).nonzero().flatten()
    if len(live) < _FEWEST:
        return None
    rows, columns = stack.shape[1] // side, stack.shape[2] // side
    detail = cut_blocks(field if fine else fine_detail(field), side).square().mean((1, 2))
    around = _regional(detail.reshape(-1, rows, columns)).flatten()
    relative, excess = varies / around, energy / around
    picked: list[torch.Tensor] = []
    groups: list[torch.Tensor] = []
    structure: list[torch.Tensor] = []
    ordered = live[mean[live].argsort()]
    for members in ordered.chunk(max(1, min(_BINS, len(live) // (4 * _FEWEST)))):
        wanted = max(_FEWEST, round(share * len(members)))
        chosen = members[varies[members].argsort()[:wanted]]
        if around[chosen].mean() < _QUIETER * around[members].mean():
            # The flattest blocks lie where noise is weak, as outside the head: compare each with its own region.
            chosen = members[relative[members].argsort()[:wanted]]
        for _ in range(4):
            chosen = chosen[excess[chosen] <= _OUTLIER * excess[chosen].median()]
        groups.append(torch.full_like(chosen, len(groups)))
        structure.append(rough[chosen].mean() / energy[chosen].mean().clamp_min(torch.finfo(energy.dtype).tiny))
        picked.append(chosen)
    chosen = torch.cat(picked)
    place = torch.stack(
        [index[chosen // (rows * columns)], chosen // columns % rows * side, chosen % columns * side], dim=1
    )
    return FlatBlocks(
        blocks[chosen], mean[chosen], place, torch.cat(groups), torch.stack(structure), len(chosen) / len(live)
    )

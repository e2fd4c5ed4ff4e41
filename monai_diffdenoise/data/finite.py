# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Voxels without a value (NaN, infinities): found, filled for the computation, counted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch

from monai_diffdenoise.data.storage import allocate, runs
from monai_diffdenoise.errors import InputError

__all__ = ["count_nonfinite", "fill_nonfinite"]

_ROUNDS = 4
_CHUNK = 1 << 15


def count_nonfinite(image: torch.Tensor, slice_axis: int = -1) -> int:
    """Number of voxels that are NaN or infinite.

    Args:
        image: (C, *spatial).
        slice_axis: spatial axis of the slices, which are looked at run by run.
    """
    # A sum is finite only where all terms are: most runs need no mask.
    return sum(
        0 if bool(torch.isfinite(image[index].sum())) else int((~torch.isfinite(image[index])).sum())
        for index in runs(image, slice_axis)
    )


def fill_nonfinite(image: torch.Tensor, slice_axis: int = -1) -> torch.Tensor | None:
    """Give every voxel that is NaN or infinite a plausible value, in place.

    Each such voxel gets the median of the finite voxels among its neighbors (3 per axis); four rounds let the values
    grow into larger holes. What is left, deep inside a hole, gets the median of its channel.

    Args:
        image: (C, *spatial), float32; changed in place.
        slice_axis: spatial axis of the slices, which are worked on run by run.

    Returns:
        boolean tensor of the same shape, True where the voxel had a value; None when all had one.

    Raises:
        InputError: no voxel of the image is finite.
    """
    missing = count_nonfinite(image, slice_axis)
    if not missing:
        return None
    if missing == image.numel():
        raise InputError("the image holds no finite voxel at all: expected at least one value; nothing can be done")
    finite, filled = (allocate(image.shape, slice_axis, torch.bool) for _ in range(2))
    for index in runs(image, slice_axis):
        filled[index] = finite[index] = torch.isfinite(image[index])
    for c in range(image.shape[0]):
        one = slice(c, c + 1)
        known = int(finite[one].sum())
        if known == finite[one].numel():
            continue
        median = _median(image[one], finite[one], slice_axis) if known else _median(image, finite, slice_axis)
        for _ in range(_ROUNDS):
            if not _grow(image[one], filled[one], slice_axis):
                break
        for index in runs(image[one], slice_axis):
            image[one][index].masked_fill_(~filled[one][index], median)
    return finite


def _median(image: torch.Tensor, finite: torch.Tensor, slice_axis: int) -> float:
    """The lower median of the finite values: by counting, first the upper halves of their bits, then the lower ones."""
    halves = 1 << 16

    def keys() -> Iterator[torch.Tensor]:
        for index in runs(image, slice_axis):
            yield _ordered(image[index][finite[index]].view(torch.int32))

    def find(numbers: Iterator[torch.Tensor], rank: int) -> tuple[int, int]:
        """The number of this rank among numbers below 2^16, and its rank among its equals."""
        counts = torch.zeros(halves, dtype=torch.int64)
        for part in numbers:
            counts += torch.bincount(part, minlength=halves)
        upto = counts.cumsum(0)
        found = int(torch.searchsorted(upto, rank, right=True))
        return found, rank - int(upto[found] - counts[found])

    upper, rank = find(((key >> 16) + halves // 2 for key in keys()), (int(finite.sum()) - 1) // 2)
    upper -= halves // 2
    lower, _ = find((key[key >> 16 == upper] & (halves - 1) for key in keys()), rank)
    return float(_ordered(torch.tensor(upper * halves + lower, dtype=torch.int32)).view(torch.float32))


def _ordered(bits: torch.Tensor) -> torch.Tensor:
    """Bits of floats to integers of the same order, and back: as they are, negative floats run backwards."""
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


def _grow(image: torch.Tensor, filled: torch.Tensor, slice_axis: int) -> bool:
    """One round on one channel: holes that touch a filled voxel get the median of their filled neighbors.

    Returns:
        whether there was such a hole.
    """
    axis, grown, before = slice_axis % 3 + 1 if image.dim() == 4 else 1, False, None
    for index in runs(image, slice_axis):
        start, stop, _ = index[axis].indices(image.shape[axis])
        first, last = max(start - 1, 0), min(stop + 1, image.shape[axis])
        around = image.narrow(axis, first, last - first)[0]
        # As it was before this round: of the slice in front of the run, only what the run before has kept tells that.
        old = filled.narrow(axis, first, last - first)[0].clone()
        if before is not None:
            old.select(axis - 1, 0).copy_(before)
        before = old.select(axis - 1, stop - 1 - first).clone()
        # Only the rim of a hole is looked at: a background of NaN is most of many volumes.
        rim = _dilated(old) & ~old
        rim.narrow(axis - 1, 0, start - first).fill_(False)
        rim.narrow(axis - 1, stop - first, last - stop).fill_(False)
        holes = torch.nonzero(rim)
        if not len(holes):
            continue
        values = torch.cat([_neighbors(around, old, part) for part in holes.split(_CHUNK)])
        where = holes.unbind(-1)
        around[where] = values
        filled.narrow(axis, first, last - first)[0][where] = True
        grown = True
    return grown


def _neighbors(channel: torch.Tensor, filled: torch.Tensor, holes: torch.Tensor) -> torch.Tensor:
    """Median of the filled neighbors of each hole."""
    dims, shape = channel.dim(), torch.tensor(channel.shape)
    offsets = torch.tensor([o for o in itertools.product((-1, 0, 1), repeat=dims) if any(o)])
    around = holes[:, None, :] + offsets
    inside = ((around >= 0) & (around < shape)).all(dim=-1)
    index = around.clamp(min=0).minimum(shape - 1).unbind(-1)
    near = torch.where(inside & filled[index], channel[index], torch.nan)
    return near.nanmedian(dim=1).values


def _dilated(mask: torch.Tensor) -> torch.Tensor:
    """True within one voxel, diagonals included, of where the mask is True."""
    for dim, size in enumerate(mask.shape):
        wider = mask.clone()
        wider.narrow(dim, 1, size - 1).logical_or_(mask.narrow(dim, 0, size - 1))
        wider.narrow(dim, 0, size - 1).logical_or_(mask.narrow(dim, 1, size - 1))
        mask = wider
    return mask

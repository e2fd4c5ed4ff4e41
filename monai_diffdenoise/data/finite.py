# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Voxels without a value (NaN, infinities): found, filled for the computation, counted."""

from __future__ import annotations

import itertools

import torch

from monai_diffdenoise.errors import InputError

__all__ = ["fill_nonfinite"]

_ROUNDS = 4
_CHUNK = 1 << 18


def fill_nonfinite(image: torch.Tensor) -> torch.Tensor | None:
    """Give every voxel that is NaN or infinite a plausible value, in place.

    Each such voxel gets the median of the finite voxels among its neighbors (3 per axis); four rounds let the values
    grow into larger holes. What is left, deep inside a hole, gets the median of its channel.

    Args:
        image: (C, *spatial), float32; changed in place.

    Returns:
        boolean tensor of the same shape, True where the voxel had a value; None when all had one.

    Raises:
        InputError: no voxel of the image is finite.
    """
    finite = torch.isfinite(image)
    if bool(finite.all()):
        return None
    if not bool(finite.any()):
        raise InputError("the image holds no finite voxel at all: expected at least one value; nothing can be done")
    for channel, known in zip(image, finite, strict=True):
        if bool(known.all()):
            continue
        median = channel[known].median() if bool(known.any()) else image[finite].median()
        filled = known.clone()
        for _ in range(_ROUNDS):
            if bool(filled.all()) or not bool(filled.any()):
                break
            _grow(channel, filled)
        channel[~filled] = median
    return finite


def _grow(channel: torch.Tensor, filled: torch.Tensor) -> None:
    """One round: holes that touch a filled voxel get the median of their filled neighbors."""
    dims, shape = channel.dim(), torch.tensor(channel.shape)
    offsets = torch.tensor([o for o in itertools.product((-1, 0, 1), repeat=dims) if any(o)])
    # Only the rim of a hole is looked at: a background of NaN is most of many volumes.
    holes = torch.nonzero(_dilated(filled) & ~filled)
    values = torch.empty(len(holes), dtype=channel.dtype)
    for start in range(0, len(holes), _CHUNK):
        around = holes[start : start + _CHUNK, None, :] + offsets
        inside = ((around >= 0) & (around < shape)).all(dim=-1)
        index = around.clamp(min=0).minimum(shape - 1).unbind(-1)
        usable = inside & filled[index]
        near = torch.where(usable, channel[index], torch.nan)
        values[start : start + _CHUNK] = near.nanmedian(dim=1).values
    where = holes.unbind(-1)
    channel[where] = values
    filled[where] = True


def _dilated(mask: torch.Tensor) -> torch.Tensor:
    """True within one voxel, diagonals included, of where the mask is True."""
    for dim, size in enumerate(mask.shape):
        wider = mask.clone()
        wider.narrow(dim, 1, size - 1).logical_or_(mask.narrow(dim, 0, size - 1))
        wider.narrow(dim, 0, size - 1).logical_or_(mask.narrow(dim, 1, size - 1))
        mask = wider
    return mask

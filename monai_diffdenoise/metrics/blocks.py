# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Means over voxels with a standard error from blocks, so that correlated noise does not make it too small."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch

from monai_diffdenoise.errors import InputError

__all__ = ["Estimate", "block_sums", "estimate", "finite_or_none", "plane_stack", "variance_of"]

_SIDE = 16
_SMALLEST_SIDE = 4
_ENOUGH_BLOCKS = 16


@dataclass(frozen=True)
class Estimate:
    """A number and how well it is known.

    Args:
        value: the estimate.
        standard_error: its standard deviation, from the spread over blocks of voxels; infinite where one block is all
            there is. The spread of the structure counts too, so it is rather too large than too small.
    """

    value: float
    standard_error: float

    def as_dict(self) -> dict[str, float | None]:
        """Values that JSON can hold."""
        return {name: finite_or_none(number) for name, number in asdict(self).items()}


def finite_or_none(number: float) -> float | None:
    """A number that JSON can hold: None in place of NaN and the infinities."""
    return number if math.isfinite(number) else None


def _side_for(shape: Sequence[int]) -> int:
    """Side of the blocks: 16 voxels, or less where that makes too few blocks to see their spread."""
    side = _SIDE
    while side > _SMALLEST_SIDE and math.prod(-(-n // side) for n in shape) < _ENOUGH_BLOCKS:
        side //= 2
    return side


def _pool(sums: torch.Tensor, side: int) -> torch.Tensor:
    """(K, *axes) to (blocks, K): sums over runs of ``side`` along every axis but the first."""
    for axis in range(1, sums.dim()):
        sums = torch.stack([part.sum(dim=axis) for part in sums.split(side, dim=axis)], dim=axis)
    return sums.reshape(len(sums), -1).T


def block_sums(
    fields: Callable[..., Sequence[torch.Tensor]], *arrays: torch.Tensor, inside: torch.Tensor | None = None
) -> torch.Tensor:
    """Sum what a function makes of the voxels, block by block.

    Args:
        fields: gets a part of each array, float64, and returns K tensors of that part's shape.
        arrays: of one shape (C, *spatial); the first axis is summed over, blocks lie in the others.
        inside: boolean, of the same shape; only these voxels count, the others may be NaN.

    Returns:
        (blocks, K), float64.

    Raises:
        InputError: NaN or infinite values among the voxels that count.
    """
    side = _side_for(arrays[0].shape[1:])
    tables = []
    # slab by slab, so that float64 never holds the whole volume
    for start in range(0, arrays[0].shape[1], side):
        values = fields(*(array[:, start : start + side].double() for array in arrays))
        if inside is not None:
            keep = inside[:, start : start + side]
            values = [torch.where(keep, value, 0.0) for value in values]
        tables.append(_pool(torch.stack([value.sum(dim=(0, 1)) for value in values]), side))
    table = torch.cat(tables)
    if not bool(table.isfinite().all()):
        raise InputError("NaN or infinite voxels among those compared: expected finite values; mask them out")
    return table


def estimate(value: torch.Tensor | float, influence: torch.Tensor) -> Estimate:
    """Put a value and its standard error together.

    Args:
        value: the estimate, a smooth function of sums over blocks.
        influence: (blocks,), by how much each block moves it (its derivative times the block's deviation); sums to 0.
    """
    count = len(influence)
    if count < 2:
        return Estimate(float(value), math.inf)
    return Estimate(float(value), math.sqrt(count / (count - 1) * float(influence.square().sum())))


def plane_stack(volume: torch.Tensor, axis: int) -> torch.Tensor:
    """(C, X, Y, Z) to (C, slices, H, W).

    Raises:
        InputError: another number of axes, or no such axis.
    """
    if volume.dim() != 4 or not -3 <= axis <= 2:
        raise InputError(
            f"got an image of shape {tuple(volume.shape)} and slice axis {axis}; expected (channels, x, y, z) and an "
            "axis from -3 to 2"
        )
    return volume.movedim(1 + axis % 3, 1)


def variance_of(sigma: float | torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Noise variance at every voxel, without using memory for a number.

    Raises:
        InputError: a negative or infinite sigma, or one that does not fit the shape.
    """
    values = torch.as_tensor(sigma, dtype=torch.float64).detach().cpu().as_subclass(torch.Tensor)
    if not bool((values.isfinite() & (values >= 0)).all()):
        raise InputError("got a noise sigma that is negative or not finite; expected 0 or more, in units of the image")
    try:
        return values.square().expand(shape)
    except RuntimeError:
        raise InputError(
            f"got sigma of shape {tuple(values.shape)}; expected a number, or what expands to {tuple(shape)}"
        ) from None

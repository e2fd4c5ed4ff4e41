# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What all reference scores share: arrays of one shape, a mask, a data range, sums in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from monai_diffdenoise.errors import InputError

__all__ = ["Array", "as_tensor", "chunks", "inside_mask", "require_finite", "require_range", "same_shape"]

Array = torch.Tensor | np.ndarray
"""What the scores take."""

_CHUNK = 1 << 22


def as_tensor(array: Array) -> torch.Tensor:
    """Plain tensor in the computer's memory; shares it where it can."""
    if isinstance(array, np.ndarray):
        # torch takes neither foreign byte order nor negative strides.
        array = torch.as_tensor(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")))
    # A MetaTensor carries its metadata through every operation, at a cost; here only values matter.
    return torch.as_tensor(array).detach().cpu().as_subclass(torch.Tensor)


def same_shape(*arrays: Array) -> list[torch.Tensor]:
    """Turn arrays into tensors.

    Raises:
        InputError: their shapes differ, or they hold no voxel.
    """
    tensors = [as_tensor(array) for array in arrays]
    if any(tensor.shape != tensors[0].shape for tensor in tensors):
        shapes = " and ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise InputError(f"images have shapes {shapes}: expected the same shape")
    if tensors[0].numel() == 0:
        raise InputError("the image has no voxels: expected at least one")
    return tensors


def inside_mask(mask: Array | None, shape: torch.Size) -> torch.Tensor | None:
    """Boolean mask of a full shape; None when there is no mask.

    Args:
        mask: voxels above 0 count; of the full shape, or of one channel's, with or without its axis.
        shape: (C, *spatial).

    Raises:
        InputError: another shape, or no voxel counts.
    """
    if mask is None:
        return None
    inside = as_tensor(mask) > 0
    if inside.shape not in (shape, shape[1:], (1, *shape[1:])):
        raise InputError(f"mask has shape {tuple(inside.shape)}: expected {tuple(shape)} or that of one channel")
    if not bool(inside.any()):
        raise InputError("the mask is empty: expected at least one voxel above 0")
    return inside.expand(shape)


def chunks(mask: Array | None, *arrays: Array) -> Iterator[list[torch.Tensor]]:
    """Yield runs of the voxels in the mask, one float64 tensor (n,) per array, so that memory stays bounded."""
    tensors = same_shape(*arrays)
    inside = inside_mask(mask, tensors[0].shape)
    flat = [tensor.flatten() for tensor in tensors]
    chosen = None if inside is None else inside.flatten()
    for start in range(0, flat[0].numel(), _CHUNK):
        part = [tensor[start : start + _CHUNK].double() for tensor in flat]
        yield part if chosen is None else [values[chosen[start : start + _CHUNK]] for values in part]


def require_finite(total: float) -> None:
    """Refuse a sum that NaN or infinite voxels went into."""
    if not math.isfinite(total):
        raise InputError("NaN or infinite voxels among those compared: expected finite values; mask them out")


def require_range(data_range: float) -> float:
    """Return a data range that is a number above 0, refuse any other."""
    if not (math.isfinite(data_range) and data_range > 0.0):
        raise InputError(f"data range is {data_range}: expected a number above 0, in the units of the image")
    return float(data_range)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Volumes made from arrays: phantoms, tests, and callers that read their files themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor

from monai_diffdenoise.data.encoding import Block, Encoding
from monai_diffdenoise.data.finite import count_nonfinite
from monai_diffdenoise.data.storage import allocate, runs
from monai_diffdenoise.data.volume import Volume, assemble, pick_slice_axis
from monai_diffdenoise.errors import InputError

__all__ = ["ArraySource", "volume_from_array"]


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Provenance of a volume that came from memory.

    Args:
        array: (C, *spatial) float32, never changed.
    """

    array: np.ndarray
    format: str = "array"
    path: Path | None = None
    native: Encoding = Encoding(np.dtype(np.float32))

    def blocks(self) -> Iterator[Block]:
        """Yield one block per channel and position on the last axis."""
        for channel in range(self.array.shape[0]):
            for last in range(self.array.shape[-1]):
                index = (slice(channel, channel + 1), *self._whole(), slice(last, last + 1))
                yield Block(index, self.array[index])

    def _whole(self) -> tuple[slice, ...]:
        return (slice(None),) * (self.array.ndim - 2)


def volume_from_array(
    array: np.ndarray | torch.Tensor,
    affine: np.ndarray | torch.Tensor | None = None,
    slice_axis: int | None = None,
) -> Volume:
    """Make a volume of an array, so that everything that takes a volume takes it.

    Args:
        array: (C, *spatial) with 2 or 3 spatial axes, any number type.
        affine: 4 x 4, voxel indices to RAS millimeters; default: the array's own (MetaTensor) or 1 mm voxels.
        slice_axis: spatial axis of the slices; default: guessed from shape and spacing.

    Returns:
        a volume whose image holds the values as float32.

    Raises:
        InputError: not 3 or 4 axes, an axis of length 0, or an affine of another shape.
    """
    if affine is None:
        affine = getattr(array, "affine", None)
    matrix = np.eye(4) if affine is None else torch.as_tensor(affine, dtype=torch.float64).numpy()
    shape = tuple(int(size) for size in np.shape(array))
    if len(shape) not in (3, 4) or 0 in shape:
        raise InputError(f"array has shape {shape}: expected (channels, x, y) or (channels, x, y, z)")
    if matrix.shape != (4, 4):
        raise InputError(f"affine has shape {matrix.shape}: expected (4, 4)")
    spacing: Sequence[float] = [float(s) for s in np.linalg.norm(matrix[:3, : len(shape) - 1], axis=0)]
    axis = pick_slice_axis(shape[1:], spacing, slice_axis)
    # A copy, since the volume's origin must not change with the caller's array.
    values = _copy(array, shape, axis)
    source = ArraySource(values.numpy())
    if count_nonfinite(values, axis):
        return assemble(source, shape, matrix, spacing, axis)
    # Image and origin are one array until a voxel has to be filled.
    return Volume(MetaTensor(values, affine=torch.from_numpy(matrix)), None, tuple(spacing), axis, source)


def _copy(array: np.ndarray | torch.Tensor, shape: tuple[int, ...], slice_axis: int) -> torch.Tensor:
    """The values of an array as float32, in storage of their own."""
    values = allocate(shape, slice_axis)
    if isinstance(array, torch.Tensor):
        plain = array.detach().as_subclass(torch.Tensor)
        for index in runs(values, slice_axis):
            values[index] = plain[index].to("cpu", torch.float32)
        return values
    # by numpy, which takes foreign byte order and negative strides
    target, origin = values.numpy(), np.asarray(array)
    for index in runs(values, slice_axis):
        target[index] = origin[index]
    return values

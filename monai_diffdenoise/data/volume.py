# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A volume: the image as a MetaTensor, and beside it what is needed to write it back as it came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from monai.data import MetaTensor

from monai_diffdenoise.data.encoding import Block, Encoding
from monai_diffdenoise.data.finite import count_nonfinite, fill_nonfinite
from monai_diffdenoise.data.storage import allocate, drop_pages, runs
from monai_diffdenoise.errors import InputError

__all__ = ["Source", "Volume", "Written", "assemble", "pick_slice_axis"]


class Source(Protocol):
    """Where a volume came from. It re-reads the stored numbers instead of keeping a second copy of them."""

    @property
    def format(self) -> str:
        """Name of the format: "nifti", "dicom", "array", ..."""
        ...

    @property
    def path(self) -> Path | None:
        """The file or folder that was read; None for an array."""
        ...

    @property
    def native(self) -> Encoding:
        """How the values are stored, or would best be stored in a NIfTI file."""
        ...

    def blocks(self) -> Iterator[Block]:
        """Yield the stored numbers, in the order of a NIfTI file: the last spatial axis moves faster than C."""
        ...


@dataclass(frozen=True)
class Written:
    """What :func:`~monai_diffdenoise.data.write_volume` did.

    Args:
        path: the file or folder that now exists.
        dtype: number type on the disk.
        clipped: voxels whose new value did not fit the number type and was clipped.
        restored: voxels without a value (NaN, infinite) that were put back as they were.
    """

    path: Path
    dtype: str
    clipped: int = 0
    restored: int = 0


@dataclass(frozen=True, eq=False)
class Volume:
    """An image in physical units with its geometry and its origin.

    Args:
        image: (C, *spatial) float32 MetaTensor with 2 or 3 spatial axes exactly as in the file, ``affine`` from voxel
            indices to RAS millimeters (4 x 4). C counts the time points of a series. Voxels without a value are filled.
            Read from a file, its slices lie one behind the other, in memory or in a scratch file (``data.storage``).
        finite: boolean tensor of the image's shape, False where a value was filled in; None when all had one.
        spacing: millimeters per voxel along each spatial axis.
        slice_axis: the spatial axis along which the slices were acquired; of no meaning for two spatial axes.
        source: what the writer needs.
        channels: what C counts: "time" for repeats or moments of one image, "component" for parts of one value.
        notes: what the user should know about the reading, one sentence each, nothing of the patient.
    """

    image: MetaTensor
    finite: torch.Tensor | None
    spacing: tuple[float, ...]
    slice_axis: int
    source: Source
    channels: Literal["time", "component"] = "time"
    notes: tuple[str, ...] = ()

    @property
    def spatial_dims(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return self.image.dim() - 1

    @property
    def nonfinite(self) -> int:
        """Number of voxels that had no value."""
        return 0 if self.finite is None else self.finite.numel() - int(self.finite.sum())

    @property
    def value_range(self) -> tuple[float, float]:
        """Smallest and largest value, of the voxels that had one."""
        image, low, high = self.image.as_tensor(), float("inf"), float("-inf")
        for index in runs(image, self.slice_axis):
            values = image[index] if self.finite is None else image[index][self.finite[index]]
            if values.numel():
                least, most = values.aminmax()
                low, high = min(low, float(least)), max(high, float(most))
        return low, high

    def with_image(self, image: torch.Tensor | np.ndarray) -> Volume:
        """Return the same volume with new values.

        Args:
            image: (C, *spatial) of the same shape, in the same physical units.

        Raises:
            InputError: another shape, or values that are not finite.
        """
        tensor = torch.as_tensor(image).detach().to("cpu", torch.float32)
        if isinstance(tensor, MetaTensor):
            tensor = tensor.as_tensor()
        if tensor.shape != self.image.shape:
            raise InputError(
                f"new image has shape {tuple(tensor.shape)}: expected {tuple(self.image.shape)}, the volume's own"
            )
        bad = count_nonfinite(tensor, self.slice_axis)
        if bad:
            raise InputError(f"new image holds {bad} NaN or infinite voxels: expected finite values everywhere")
        return replace(self, image=MetaTensor(tensor, affine=self.image.affine))

    def summary(self) -> dict[str, Any]:
        """Facts that may be shown and logged: plain JSON types, nothing of the patient, no paths."""
        return {
            "format": self.source.format,
            "shape": [int(n) for n in self.image.shape],
            "spacing": [float(s) for s in self.spacing],
            "slice_axis": self.slice_axis,
            "stored_dtype": self.source.native.dtype.name,
            "nonfinite": self.nonfinite,
        }


def pick_slice_axis(shape: Sequence[int], spacing: Sequence[float], stated: int | None = None) -> int:
    """Decide along which spatial axis the slices were acquired.

    Args:
        shape: voxels per spatial axis.
        spacing: millimeters per spatial axis.
        stated: the axis that the file names, which wins.

    Returns:
        the stated axis; else the only axis with a single voxel; else an axis at least a quarter coarser than all
        others; else the last.
    """
    if stated is not None and 0 <= stated < len(shape):
        return stated
    single = [axis for axis, size in enumerate(shape) if size == 1]
    if len(single) == 1:
        return single[0]
    order = np.argsort(spacing)
    if spacing[order[-1]] > 1.25 * spacing[order[-2]]:
        return int(order[-1])
    return len(shape) - 1


def assemble(
    source: Source,
    shape: Sequence[int],
    affine: np.ndarray,
    spacing: Sequence[float],
    slice_axis: int,
    channels: Literal["time", "component"] = "time",
    notes: Sequence[str] = (),
) -> Volume:
    """Read all blocks of a source into a volume.

    Args:
        source: where the blocks come from.
        shape: (C, *spatial).
        affine: 4 x 4, voxel indices to RAS millimeters.
        spacing: millimeters per spatial axis.
        slice_axis: see :class:`Volume`.
        channels: see :class:`Volume`.
        notes: see :class:`Volume`.

    Raises:
        InputError: the file cannot be read, holds no finite voxel, or there is no room for it.
    """
    image = allocate(shape, slice_axis)
    values = image.numpy()
    for block in source.blocks():
        values[block.index] = block.float32()
        drop_pages()
    finite = fill_nonfinite(image, slice_axis)
    meta = MetaTensor(image, affine=torch.from_numpy(np.asarray(affine, dtype=np.float64)))
    return Volume(meta, finite, tuple(float(s) for s in spacing), slice_axis, source, channels, tuple(notes))

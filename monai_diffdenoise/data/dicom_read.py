# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One stack of a DICOM series in: sorted in space and time, rescaled, pixels decoded slice by slice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset

from monai_diffdenoise.data.dicom_choose import choose_stack
from monai_diffdenoise.data.dicom_files import read_dataset
from monai_diffdenoise.data.dicom_images import Layout
from monai_diffdenoise.data.dicom_pixels import decode_slice, read_frame
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.data.encoding import Block, Encoding
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.data.volume import Volume, assemble
from monai_diffdenoise.errors import InputError

__all__ = ["DicomSource", "read_dicom"]


@dataclass(frozen=True, eq=False)
class DicomSource:
    """Provenance of a volume that came from a DICOM series.

    Args:
        path: the file or folder that was read.
        slices: ``slices[time][position]``, in the order of the image's first (C) and last axis.
        layout: how the slices lie in files: "classic" (a file each), "enhanced" (frames of objects with functional
            groups), "mosaic" (tiles of a picture, one picture per time point), "cine" (frames without positions).
        even: False when slices are missing or unevenly spaced, so that no affine tells where they all lie.
    """

    path: Path
    slices: tuple[tuple[Slice, ...], ...]
    layout: Layout = "classic"
    even: bool = True
    format: str = "dicom"

    @property
    def all_slices(self) -> list[Slice]:
        """The slices of all time points."""
        return [item for moment in self.slices for item in moment]

    @property
    def native(self) -> Encoding:
        """How the values are best stored in one NIfTI file.

        16-bit integers with slope 1 where the rescaling only shifts and they hold the result (CT in HU), the stored
        numbers with their slope and intercept where all slices share them, float32 where every slice has its own.
        """
        first = self.slices[0][0]
        if any((s.slope, s.inter, s.dtype) != (first.slope, first.inter, first.dtype) for s in self.all_slices):
            return Encoding(np.dtype(np.float32))
        if first.slope == 1.0 and first.inter == int(first.inter):
            low, high = (limit + int(first.inter) for limit in first.limits)
            for name in ("int16", "uint16"):
                if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                    return Encoding(np.dtype(name))
        # NIfTI-1 keeps slope and intercept in float32: decide with what will be read back.
        return Encoding(first.dtype, float(np.float32(first.slope)), float(np.float32(first.inter)))

    def blocks(self) -> Iterator[Block]:
        """Yield one block per slice."""
        for time, volume in enumerate(self.slices):
            for position in range(len(volume)):
                yield self.block(time, position)

    def block(self, time: int, position: int, dataset: FileDataset | None = None) -> Block:
        """Decode the pixels of one slice.

        Args:
            time: index along C.
            position: index along the image's last axis.
            dataset: the slice's dataset if the caller has it already.

        Raises:
            InputError: the file is gone, changed, damaged, or packed in a way that cannot be unpacked here.
        """
        item = self.slices[time][position]
        # Image axes are (x, y): the transpose of DICOM's rows and columns.
        picture = read_frame(item) if dataset is None else decode_slice(dataset, item)
        stored = picture.T[None, :, :, None]
        keep = None
        if item.padding is not None:
            keep = (stored >= item.padding[0]) & (stored <= item.padding[1])
        where = (slice(time, time + 1), slice(None), slice(None), slice(position, position + 1))
        return Block(where, stored, item.slope, item.inter, item.limits, keep)

    def dataset(self, item: Slice) -> FileDataset:
        """Read the whole dataset of the file that a slice lies in again.

        Raises:
            InputError: the file is gone, changed or damaged.
        """
        item.fingerprint.check(item.label)
        dataset = read_dataset(item.fingerprint.path)
        if dataset is None:
            raise InputError(f"{item.label} cannot be read again: expected the same file until the result is written")
        return dataset


def read_dicom(path: str | os.PathLike[str], options: ReadOptions | None = None) -> Volume:
    """Read one stack of one DICOM series (CT, MR, PT, CR, DX, US, ...).

    Args:
        path: a file or a folder.
        options: which series and stack, and how to take what can be taken in more than one way.

    Returns:
        the volume, (time points, columns, rows, slices), rescaled slice by slice in float64.

    Raises:
        InputError: no image, several series or stacks and none picked, or a kind of image that is not read.
    """
    path = Path(path)
    chosen = choose_stack(path, options if options is not None else ReadOptions())
    placed, first = chosen.placed, chosen.placed.slices[0][0]
    source = DicomSource(path, placed.slices, chosen.layout, placed.even)
    shape = (len(placed.slices), first.columns, first.rows, len(placed.slices[0]))
    try:
        return assemble(source, shape, placed.affine, placed.spacing, slice_axis=2, notes=chosen.notes)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error

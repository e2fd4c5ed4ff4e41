# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One classic single-frame DICOM series in: sorted in space, rescaled, pixels decoded slice by slice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from monai_diffdenoise.data.dicom_files import find_series, quiet, read_dataset
from monai_diffdenoise.data.dicom_geometry import stack_slices
from monai_diffdenoise.data.dicom_slice import Slice, parse_slice
from monai_diffdenoise.data.encoding import Block, Encoding
from monai_diffdenoise.data.volume import Volume, assemble
from monai_diffdenoise.errors import InputError

__all__ = ["DicomSource", "read_dicom"]


@dataclass(frozen=True, eq=False)
class DicomSource:
    """Provenance of a volume that came from a DICOM series.

    Args:
        path: the file or folder that was read.
        slices: the files, in the order of the image's last axis.
    """

    path: Path
    slices: tuple[Slice, ...]
    format: str = "dicom"

    @property
    def native(self) -> Encoding:
        """How the values are best stored in one NIfTI file.

        16-bit integers with slope 1 where the rescaling only shifts and they hold the result (CT in HU), the stored
        numbers with their slope and intercept where all slices share them, float32 where every slice has its own.
        """
        first = self.slices[0]
        if any((s.slope, s.inter, s.dtype) != (first.slope, first.inter, first.dtype) for s in self.slices):
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
        for index in range(len(self.slices)):
            yield self.load(index)[1]

    def load(self, index: int) -> tuple[FileDataset, Block]:
        """Read one slice again: its whole dataset and its pixels.

        Args:
            index: position along the image's last axis.

        Raises:
            InputError: the file is gone, changed, damaged, or packed in a way that cannot be unpacked here.
        """
        item = self.slices[index]
        item.fingerprint.check(item.label)
        dataset = read_dataset(item.fingerprint.path)
        if dataset is None:
            raise InputError(f"{item.label} cannot be read again: expected the same file until the result is written")
        # Image axes are (x, y): the transpose of DICOM's rows and columns.
        stored = _decode(dataset, item).T[None, :, :, None]
        keep = None
        if item.padding is not None:
            keep = (stored >= item.padding[0]) & (stored <= item.padding[1])
        where = (slice(None), slice(None), slice(None), slice(index, index + 1))
        return dataset, Block(where, stored, item.slope, item.inter, item.limits, keep)


def read_dicom(path: str | os.PathLike[str], *, series: str | None = None) -> Volume:
    """Read one series of classic single-frame images (CT, MR, PT, CR, DX, ...).

    Args:
        path: a file (one slice) or a folder.
        series: Series Instance UID, or the unique end of it, when the folder holds several.

    Returns:
        the volume, (1, columns, rows, slices), rescaled slice by slice in float64.

    Raises:
        InputError: no image, several series, or a kind of image that is not read.
    """
    path = Path(path)
    files = find_series(path, series)
    try:
        slices = [parse_slice(file) for file in files]
        for syntax in sorted({s.syntax for s in slices}):
            _require_decoder(syntax)
        if len({(s.sop_class, s.study) for s in slices}) > 1:
            raise InputError("one series mixes image kinds or studies: expected one of each; split it first")
        ordered, affine, spacing = stack_slices(slices)
        shape = (1, ordered[0].columns, ordered[0].rows, len(ordered))
        return assemble(DicomSource(path, tuple(ordered)), shape, affine, spacing, slice_axis=2)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _require_decoder(syntax: UID) -> None:
    if not syntax.is_compressed:
        return
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise InputError(
            f"the pixels are compressed as {syntax.name} ({syntax}), which cannot be unpacked here: "
            "install the extra (pip install 'monai-diffdenoise[dicom-codecs]') or decompress the files first"
        )


def _decode(dataset: FileDataset, item: Slice) -> np.ndarray:
    """Stored numbers of one slice, (rows, columns), native byte order."""
    try:
        with quiet():
            array = np.asarray(dataset.pixel_array)
    except Exception as error:  # decoders raise anything for damaged data
        raise InputError(
            f"{item.label} has pixels that cannot be decoded ({type(error).__name__}): the file is cut off or damaged"
        ) from error
    if array.shape != (item.rows, item.columns) or array.dtype.kind not in "iu":
        raise InputError(
            f"{item.label} decodes to the shape {array.shape} of {array.dtype}: "
            f"expected {(item.rows, item.columns)} integers"
        )
    array = array.astype(item.dtype, copy=False)
    low, high = item.limits
    if array.min() < low or array.max() > high:
        # The standard: bits above Bits Stored mean nothing. Decoders differ in whether they clear them.
        unused = item.dtype.itemsize * 8 - high.bit_length() - int(low < 0)
        array = np.right_shift(np.left_shift(array, unused), unused)
    return array

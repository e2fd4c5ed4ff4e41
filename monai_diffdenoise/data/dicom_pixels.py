# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The stored numbers of DICOM slices, unpacked."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from monai_diffdenoise.data.dicom_files import quiet
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.errors import InputError

__all__ = ["decode_slice", "require_decoder"]


def require_decoder(syntax: UID) -> None:
    """Refuse pixels that cannot be unpacked here, before anything is read.

    Raises:
        InputError: no decoder for this transfer syntax is installed; the message names the extra.
    """
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


def decode_slice(dataset: FileDataset, item: Slice) -> np.ndarray:
    """Stored numbers of one slice.

    Args:
        dataset: the whole dataset of the slice's file.
        item: which frame and which tile of it.

    Returns:
        (rows, columns) in the slice's number type, native byte order.

    Raises:
        InputError: the pixels are damaged, or not of the declared shape.
    """
    try:
        with quiet():
            array = np.asarray(dataset.pixel_array)
    except Exception as error:  # decoders raise anything for damaged data
        raise InputError(
            f"{item.label} has pixels that cannot be decoded ({type(error).__name__}): the file is cut off or damaged"
        ) from error
    if array.ndim == 3 and item.samples == 1 and item.frame < len(array):
        array = array[item.frame]
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

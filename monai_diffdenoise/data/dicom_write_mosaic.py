# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Put slices back into the picture that they were cut out of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from pydicom.dataset import FileDataset

from monai_diffdenoise.data.dicom_pixels import decode_slice
from monai_diffdenoise.data.dicom_slice import Slice

__all__ = ["mosaic_picture"]


def mosaic_picture(dataset: FileDataset, tiles: Sequence[Slice], pixels: Iterable[np.ndarray]) -> np.ndarray:
    """The picture with new tiles; what no tile covers keeps the source's pixels.

    Args:
        dataset: the whole source dataset.
        tiles: where each slice lies in the picture.
        pixels: the slices, (rows, columns) stored numbers each.

    Returns:
        (rows, columns) of the whole picture, stored numbers.

    Raises:
        InputError: the picture cannot be decoded.
    """
    whole = replace(tiles[0], tile=None, rows=int(dataset.Rows), columns=int(dataset.Columns))
    picture = decode_slice(dataset, whole).copy()
    for tile, values in zip(tiles, pixels, strict=True):
        assert tile.tile is not None
        row, column = tile.tile
        picture[row : row + tile.rows, column : column + tile.columns] = values
    return picture

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The numbers of a volume as a file will hold them, piece by piece, for every writer of single files."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from monai_diffdenoise.data.encoding import Encoding, encode_block
from monai_diffdenoise.data.storage import drop_pages
from monai_diffdenoise.data.volume import Volume, Written

__all__ = ["EncodedVoxels"]

_COPY_BYTES = 1 << 24


class EncodedVoxels:
    """Stored numbers of a volume's new values.

    Args:
        volume: what is written; its source is read again.
        encoding: how its values are stored.
    """

    def __init__(self, volume: Volume, encoding: Encoding) -> None:
        self.volume, self.encoding, self.clipped = volume, encoding, 0

    def pieces(self) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
        """Yield index in (C, *spatial) and stored numbers in native byte order, in the order of the source's blocks."""
        image = self.volume.image.as_tensor().numpy()
        for block in self.volume.source.blocks():
            stored, lost = encode_block(block, image[block.index], self.encoding)
            self.clipped += lost
            yield block.index, stored
            drop_pages()

    def raw(self, dtype: np.dtype) -> Iterator[bytes]:
        """Yield the bytes of whole images one after the other (the first spatial axis is the fastest).

        Args:
            dtype: the encoding's number type in the byte order of the file.
        """
        for _, stored in self.pieces():
            yield stored.astype(dtype).tobytes(order="F")

    def mixed(self, dtype: np.dtype, folder: Path, channel_axis: int = 0) -> Iterator[bytes]:
        """Yield the bytes with the channels inside the voxels or planes.

        Args:
            dtype: the encoding's number type in the byte order of the file.
            folder: where there is room for a nameless scratch file of the size of the volume.
            channel_axis: where the channels stand among the spatial axes, before the last one: 0 puts the numbers of
                one voxel side by side.
        """
        channels, *spatial = self.volume.image.shape
        sizes = list(spatial[:-1])
        sizes.insert(channel_axis, channels)
        plane = math.prod(sizes) * dtype.itemsize
        with tempfile.TemporaryFile(dir=folder) as file:
            scratch = cast(BinaryIO, file)
            scratch.truncate(plane * spatial[-1])
            for index, stored in self.pieces():
                channel, start, planes = index[0].start or 0, index[-1].start or 0, stored.shape[-1]
                scratch.seek(start * plane)
                raw = bytearray(scratch.read(planes * plane))
                box = np.frombuffer(raw, dtype).reshape((*sizes, planes), order="F")
                np.moveaxis(box, channel_axis, 0)[channel] = stored[0]
                scratch.seek(start * plane)
                scratch.write(raw)
            scratch.seek(0)
            while part := scratch.read(_COPY_BYTES):
                yield part

    def written(self, path: Path) -> Written:
        """Report what was done, with a warning when values were clipped."""
        if self.clipped:
            warnings.warn(
                f"{self.clipped} of {self.volume.image.numel()} values did not fit {self.encoding.dtype.name} and "
                "were clipped",
                stacklevel=3,
            )
        return Written(path, self.encoding.dtype.name, self.clipped, self.volume.nonfinite)

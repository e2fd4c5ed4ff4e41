# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One time point of a volume as the bytes of a NIfTI file that is never written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from monai.data import MetaTensor

from monai_diffdenoise.data.encoding import Encoding
from monai_diffdenoise.data.nifti_write import new_header
from monai_diffdenoise.data.storage import drop_pages
from monai_diffdenoise.data.volume import Volume

__all__ = ["NiftiBytes"]

_FLOAT32 = Encoding(np.dtype(np.float32))


class NiftiBytes:
    """A float32 NIfTI file of the volume's values, bit for bit; voxels that had no value are NaN.

    Any range of its bytes can be had without making the others, so it takes no room of its own.

    Args:
        volume: what is shown; only its geometry gets into the header, nothing of its source.
        frame: which channel, from 0.
    """

    def __init__(self, volume: Volume, frame: int) -> None:
        image = volume.image.as_tensor()[frame : frame + 1]
        one = replace(volume, image=MetaTensor(image, affine=volume.image.affine), channels="time")
        self._prefix, _ = new_header(one, _FLOAT32)
        self._values = image[0].numpy()
        self._finite = None if volume.finite is None else volume.finite[frame].numpy()
        self._plane = 4 * math.prod(self._values.shape[:-1])
        self.size = len(self._prefix) + self._plane * self._values.shape[-1]
        """Length of the file in bytes."""

    def parts(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to, not including, ``stop``, in pieces of at most one plane."""
        if start < len(self._prefix):
            yield self._prefix[start:stop]
        first, last = (max(0, place - len(self._prefix)) for place in (start, stop))
        for index in range(first // self._plane, -(-last // self._plane)):
            origin = index * self._plane
            yield self._bytes(index)[max(0, first - origin) : last - origin]
            drop_pages()

    def _bytes(self, index: int) -> bytes:
        plane = self._values[..., index]
        if self._finite is not None:
            plane = np.where(self._finite[..., index], plane, np.float32(np.nan))
        return plane.astype("<f4").tobytes(order="F")

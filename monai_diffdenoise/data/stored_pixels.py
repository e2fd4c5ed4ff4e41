# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The common case of an image file: somewhere behind a header lie the numbers of a box, one after the other."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np

from monai_diffdenoise.data.encoding import Block
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.luma import luma
from monai_diffdenoise.data.packed import Packing, finish, largest_unpacked, open_packed, read_exactly, translated
from monai_diffdenoise.errors import InputError

__all__ = ["StoredPixels"]

_BLOCK_VOXELS = 1 << 19


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Where the numbers of an image lie, and in which order.

    Args:
        fingerprint: of the file that holds them.
        dtype: number type with its byte order.
        spatial: voxels along each spatial axis, the fastest first.
        channels: numbers per voxel, or time points.
        channel_axis: where the channels stand among the spatial axes in the file: 0 for numbers of one voxel side by
            side, ``len(spatial)`` for whole images one after the other.
        packing: how the numbers are compressed.
        offset: bytes before them in the file.
        skip: bytes before them after unpacking.
        gray: the channels are red, green, blue and perhaps opacity, and are taken as one gray value.
    """

    fingerprint: Fingerprint
    dtype: np.dtype
    spatial: tuple[int, ...]
    channels: int = 1
    channel_axis: int = 0
    packing: Packing = "raw"
    offset: int = 0
    skip: int = 0
    gray: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image, (C, *spatial)."""
        return (1 if self.gray else self.channels, *self.spatial)

    @property
    def data_bytes(self) -> int:
        """Size of the numbers, uncompressed."""
        return math.prod(self.spatial) * self.channels * self.dtype.itemsize

    def check_room(self) -> None:
        """Refuse a header that declares more voxels than the file can hold, before memory is asked for.

        Raises:
            InputError: it does.
        """
        behind = max(self.fingerprint.size - self.offset, 0)
        room = max(largest_unpacked(self.packing, behind) - self.skip, 0)
        if self.data_bytes > room:
            raise InputError(
                f"{self.fingerprint.path} is cut off or damaged: its header declares {self.data_bytes} bytes of "
                f"voxels, the file can hold {room} at most"
            )

    def blocks(self, slope: float = 1.0, inter: float = 0.0) -> Iterator[Block]:
        """Yield runs of whole planes, the last spatial axis faster than the channels.

        Args:
            slope: physical units per stored unit.
            inter: physical value of a stored 0.

        Raises:
            InputError: truncated or damaged pixels, or the file changed since it was opened.
        """
        self.fingerprint.check()
        mixed = self.gray or (self.channels > 1 and self.channel_axis < len(self.spatial))
        for index, stored in self._gathered() if mixed else self._straight():
            yield Block(index, stored.astype(self.dtype.newbyteorder("="), copy=False)[None], slope, inter)

    def _straight(self) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
        path, plane = self.fingerprint.path, math.prod(self.spatial[:-1])
        with open_packed(path, self.packing, self.offset, self.skip) as stream:
            for channel in range(self.channels):
                for start, stop in self._runs(plane):
                    raw = read_exactly(stream, plane * (stop - start) * self.dtype.itemsize, path)
                    shape = (*self.spatial[:-1], stop - start)
                    yield self._index(channel, start, stop), np.frombuffer(raw, self.dtype).reshape(shape, order="F")
            if self.packing != "raw":
                finish(stream, path)

    def _gathered(self) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
        """Channels that lie inside the voxels or planes: one pass over the unpacked numbers for each of them."""
        with self._unpacked() as stream:
            begin = stream.tell()
            for channel in range(self.shape[0]):
                for start, stop in self._runs(math.prod(self.spatial[:-1]) * self.channels):
                    box = self._box(stream, begin, start, stop)
                    yield self._index(channel, start, stop), luma(box) if self.gray else box[channel]

    def _box(self, stream: BinaryIO, begin: int, start: int, stop: int) -> np.ndarray:
        """All channels, (C, *spatial), of a run of planes."""
        path, plane = self.fingerprint.path, math.prod(self.spatial[:-1]) * self.dtype.itemsize
        sizes = [*self.spatial[:-1], stop - start]
        if self.channel_axis < len(self.spatial):
            sizes.insert(self.channel_axis, self.channels)
            stream.seek(begin + start * plane * self.channels)
            raw = read_exactly(stream, (stop - start) * plane * self.channels, path)
            return np.moveaxis(np.frombuffer(raw, self.dtype).reshape(sizes, order="F"), self.channel_axis, 0)
        parts = []
        for channel in range(self.channels):
            stream.seek(begin + (channel * self.spatial[-1] + start) * plane)
            raw = read_exactly(stream, (stop - start) * plane, path)
            parts.append(np.frombuffer(raw, self.dtype).reshape(sizes, order="F"))
        return np.stack(parts)

    @contextlib.contextmanager
    def _unpacked(self) -> Iterator[BinaryIO]:
        path = self.fingerprint.path
        with open_packed(path, self.packing, self.offset, self.skip) as stream:
            if self.packing == "raw":
                yield stream
                return
            with contextlib.ExitStack() as stack:
                with translated(path):
                    scratch = cast(BinaryIO, stack.enter_context(tempfile.TemporaryFile()))
                left = self.data_bytes
                while left > 0:
                    part = read_exactly(stream, min(left, _BLOCK_VOXELS), path)
                    with translated(path):
                        scratch.write(part)
                    left -= len(part)
                finish(stream, path)
                scratch.seek(0)
                yield scratch

    def _runs(self, plane: int) -> Iterator[tuple[int, int]]:
        last, step = self.spatial[-1], max(1, _BLOCK_VOXELS // plane)
        return ((start, min(start + step, last)) for start in range(0, last, step))

    def _index(self, channel: int, start: int, stop: int) -> tuple[slice, ...]:
        whole = (slice(None),) * (len(self.spatial) - 1)
        return (slice(channel, channel + 1), *whole, slice(start, stop))

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""TIFF files in and out of tifffile (extra ``images``): the one module that knows it."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from monai_diffdenoise.data.anatomy import LPS, ras_affine
from monai_diffdenoise.data.encoding import Block, Encoding
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.float_range import with_range_notes
from monai_diffdenoise.data.luma import luma
from monai_diffdenoise.data.packed import open_file, translated
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.data.tiff_layout import TiffLayout, check_places
from monai_diffdenoise.data.tiff_meta import voxel_size
from monai_diffdenoise.data.tiff_pages import read_meta, read_pages
from monai_diffdenoise.data.volume import Volume, assemble, pick_slice_axis
from monai_diffdenoise.errors import InputError

__all__ = ["TiffSource", "is_tiff", "read_tiff", "write_pages"]

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True, eq=False)
class TiffSource:
    """Provenance of a volume that came from a TIFF file.

    Args:
        path: the file.
        fingerprint: to notice that the file changed before the result was written.
        layout: where the pixels are.
    """

    path: Path
    fingerprint: Fingerprint
    layout: TiffLayout
    format: str = "tiff"

    @property
    def native(self) -> Encoding:
        """How the file stores its values."""
        dtype = np.dtype(np.uint8) if self.layout.color else self.layout.dtype.newbyteorder("=")
        return Encoding(dtype)

    def blocks(self) -> Iterator[Block]:
        """Yield page after page.

        Raises:
            InputError: the file changed since it was opened, or a page cannot be decoded.
        """
        self.fingerprint.check()
        with _opened(self.path) as tiff:
            for channel, slices in enumerate(self.layout.pages):
                for position, number in enumerate(slices):
                    with _guarded(self.path):
                        page = self._gray(tiff.pages[int(number)].asarray(maxworkers=1))
                    if page.shape != (self.layout.rows, self.layout.columns):
                        raise InputError(
                            f"{self.path} is damaged: page {int(number) + 1} decodes to {page.shape}, expected "
                            f"{(self.layout.rows, self.layout.columns)} pixels"
                        )
                    stored = page.astype(self.native.dtype).T[None]
                    whole = (slice(channel, channel + 1), slice(None), slice(None))
                    if self.layout.flat:
                        yield Block(whole, stored)
                    else:
                        yield Block((*whole, slice(position, position + 1)), stored[..., None])

    def _gray(self, page: np.ndarray) -> np.ndarray:
        if self.layout.palette is not None:
            return luma(self.layout.palette[:, page])
        if self.layout.samples == 1:
            return page
        # Samples come first where they lie in planes of their own.
        first = page.shape[0] == self.layout.samples and page.shape[1:] == (self.layout.rows, self.layout.columns)
        return luma(page if first else np.moveaxis(page, -1, 0))


def is_tiff(path: Path) -> bool:
    """Whether a file starts as TIFF files do."""
    with open_file(path) as stream, translated(path):
        return stream.read(4) in _MAGIC


def read_tiff(path: str | os.PathLike[str], options: ReadOptions | None = None) -> Volume:
    """Read a TIFF file of gray pages of one size: x along their rows, y down their columns, z from page to page.

    Pages are slices unless the file says otherwise (ImageJ, OME-TIFF, tifffile): frames become time points, channels
    the components. The voxel size comes from those, or from the resolution when that is given per inch or centimeter.

    Args:
        path: the file.
        options: ``color="gray"`` takes RGB or a palette of 8 bits as gray.

    Returns:
        the volume, (C, x, y) for single pages, else (C, x, y, z).

    Raises:
        InputError: not a TIFF, damaged, cut off, packed in a way that cannot be unpacked here, color that was not asked
            for, or pages that are not one image.
    """
    path, options = Path(path), options if options is not None else ReadOptions()
    options.only(f"{path} is a TIFF file", "color")
    fingerprint = Fingerprint.of(path)
    if fingerprint.size == 0:
        raise InputError(f"{path} is empty (0 bytes): expected a TIFF file")
    if not is_tiff(path):
        raise InputError(f"{path} is not a TIFF file: it does not start as one")
    with _opened(path) as tiff, _guarded(path):
        layout, kind = read_pages(tiff, str(path))
        meta = read_meta(tiff)
    check_places(layout, fingerprint.size, str(path))
    notes = []
    if layout.color:
        if options.color == "refuse":
            raise InputError(f"{path} holds color: expected gray pixels; take their gray value with --color gray")
        notes.append("Color was turned into gray; the result is written as gray.")
    if layout.white:
        notes.append("Large values are dark in this file (MinIsWhite); the values were not turned around.")
    spacing, note = voxel_size(meta, flat=layout.flat)
    affine = ras_affine(np.diag(spacing), np.zeros(len(spacing)), LPS, str(path))
    axis = pick_slice_axis(layout.shape[1:], spacing, None if layout.flat else 2)
    source = TiffSource(path, fingerprint, layout)
    return with_range_notes(assemble(source, layout.shape, affine, spacing, axis, kind, (*notes, *note)))


def write_pages(
    stream: BinaryIO, pages: Iterable[np.ndarray], shape: tuple[int, ...], encoding: Encoding, volume: Volume
) -> None:
    """Write a new TIFF file, so that ImageJ shows the voxel size where it knows the number type.

    Args:
        stream: where to.
        pages: (rows, columns) each, in their order.
        shape: (channels, slices, rows, columns).
        encoding: how the values are stored.
        volume: for its voxel size and for what its channels count.

    Raises:
        InputError: tifffile is not installed.
    """
    tifffile = _tifffile("the output")
    axes = ("C" if volume.channels == "component" else "T") + "ZYX"
    imagej = encoding.dtype.name in ("uint8", "uint16", "float32") and axes[0] == "T"
    size = math.prod(shape) * encoding.dtype.itemsize
    big = size > 2**32 - 2**25
    per_mm = tuple(_rational(volume.spacing[axis], 1 if imagej else 10) for axis in range(2))
    meta: dict[str, Any] = {"axes": axes, "unit": "mm" if imagej else "cm"}
    if volume.spatial_dims == 3:
        meta["spacing"] = volume.spacing[2] / (1 if imagej else 10)
    with tifffile.TiffWriter(stream, bigtiff=big, imagej=imagej and not big) as out:
        out.write(
            iter(pages),
            shape=shape,
            dtype=encoding.dtype,
            photometric="minisblack",
            resolution=per_mm,
            resolutionunit="NONE" if imagej else "CENTIMETER",
            metadata=meta,
            software="monai-diffdenoise",
        )


def _rational(size: float, unit: int) -> tuple[int, int]:
    """Pixels per unit as two whole numbers of 32 bits, so that the size is read back in all its digits."""
    exact = Fraction(repr(size)).limit_denominator(10**9)
    exact = (unit / exact).limit_denominator(10**9) if exact else Fraction(1)
    return (exact.numerator, exact.denominator) if exact.numerator < 2**32 else (1, 1)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    tifffile = _tifffile(str(path))
    logger = logging.getLogger("tifffile")
    before, logger.disabled = logger.disabled, True
    try:
        with _guarded(path):
            # Not the other files that an OME-TIFF may name.
            tiff = tifffile.TiffFile(path, _multifile=False)
        with tiff:
            yield tiff
    finally:
        logger.disabled = before


@contextlib.contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Tifffile raises many types for damaged files, and one for codecs that are not there."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if "imagecodecs" in str(error):
            codec = str(error).split("requires")[0].strip("<> ").removeprefix("COMPRESSION.").partition(":")[0]
            raise InputError(
                f"{path} is compressed ({codec.strip()}), which needs one more package: pip install imagecodecs, or "
                "save the file uncompressed"
            ) from error
        raise InputError(f"{path} is a damaged TIFF file: it cannot be decoded ({type(error).__name__})") from error


def _tifffile(what: str) -> Any:
    try:
        import tifffile
    except ImportError:
        raise InputError(
            f"{what} is a TIFF file, which needs tifffile: pip install 'monai-diffdenoise[images]'"
        ) from None
    return tifffile

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The stored numbers of DICOM slices, unpacked.

What unpacks what: JPEG Lossless is unpacked here, RLE by pydicom, JPEG 2000 by OpenJPEG, JPEG-LS by CharLS, JPEG by
Pillow. gdcm, which pydicom would ask first, is never asked: some damaged frames make it end the whole process.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, convert_color_space, get_decoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from monai_diffdenoise.data.codestream import FrameError, bare_codestream, check_frame, read_frame_header
from monai_diffdenoise.data.dicom_files import quiet
from monai_diffdenoise.data.dicom_frames import PixelData, pixel_data_of, read_pixel_header
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.jpeg_lossless import decode_jpeg_lossless
from monai_diffdenoise.errors import InputError

__all__ = ["decode_slice", "read_frame", "require_decoder"]

_OURS = (JPEGLossless, JPEGLosslessSV1)
# pydicom's names of the decoders that may be asked, the best first. "pylibjpeg" stands for all of its plugins.
_PLUGINS: dict[str, tuple[str, ...]] = {
    RLELossless: ("pydicom",),
    JPEGBaseline8Bit: ("pillow", "pylibjpeg"),
    JPEGExtended12Bit: ("pillow", "pylibjpeg"),
    JPEG2000Lossless: ("pylibjpeg", "pillow"),
    JPEG2000: ("pylibjpeg", "pillow"),
    **dict.fromkeys(JPEGLSTransferSyntaxes, ("pyjpegls", "pylibjpeg")),
}
_OTHERS = ("pylibjpeg",)
_EXTRA = "install the extra (pip install 'monai-diffdenoise[dicom-codecs]') or decompress the files first"
# ITU-R BT.601: the weights of red, green and blue in the brightness that people see, in thousandths.
_LUMA = (299, 587, 114)


def require_decoder(syntax: UID) -> None:
    """Refuse pixels that cannot be unpacked here, before anything is read.

    Raises:
        InputError: no decoder for this transfer syntax is installed; the message names the extra.
    """
    if not syntax.is_compressed or syntax in _OURS:
        return
    try:
        available = _plugins(syntax)
    except NotImplementedError:
        raise InputError(
            f"the pixels are compressed as {syntax.name} ({syntax}), which nothing here unpacks: "
            "decompress the files first, or export them in another way"
        ) from None
    if not available:
        raise InputError(
            f"the pixels are compressed as {syntax.name} ({syntax}), which cannot be unpacked here: {_EXTRA}"
        )


def _plugins(syntax: UID) -> list[str]:
    there = get_decoder(syntax).available_plugins
    return [name for name in _PLUGINS.get(syntax, _OTHERS) if name in there]


def decode_slice(dataset: FileDataset, item: Slice) -> np.ndarray:
    """Stored numbers of one slice, out of a dataset that is in memory.

    Args:
        dataset: the whole dataset of the slice's file.
        item: which frame and which tile of it.

    Returns:
        (rows, columns) in the slice's number type, native byte order. Color becomes its luma, see :func:`read_frame`.

    Raises:
        InputError: the pixels are damaged, or not of the declared shape.
    """
    return _finished(_translated(item, lambda: _picture(pixel_data_of(dataset), item.frame)), item)


def read_frame(item: Slice) -> np.ndarray:
    """Stored numbers of one slice, straight from its file: only this frame is read.

    The tiles of a mosaic share their picture: the last two are remembered.

    Args:
        item: the file, and which frame and tile of it.

    Returns:
        (rows, columns) in the slice's number type, native byte order. Of color (RGB, YBR, a palette) the luma of ITU-R
        BT.601, 0.299 R + 0.587 G + 0.114 B, rounded to this number type; 16-bit palettes are scaled down to it.

    Raises:
        InputError: the file is gone or changed; the pixels are damaged, or not of the declared shape.
    """
    item.fingerprint.check(item.label)
    read = _shared_picture if item.tile is not None else _read_picture
    return _finished(_translated(item, lambda: read(item.fingerprint, item.frame)), item)


def _read_picture(file: Fingerprint, frame: int) -> np.ndarray:
    return _picture(read_pixel_header(file), frame)


_shared_picture = functools.lru_cache(maxsize=2)(_read_picture)


def _translated(item: Slice, read: Callable[[], np.ndarray]) -> np.ndarray:
    try:
        with quiet():
            return read()
    except InputError as error:
        raise InputError(f"{item.label}: {error}") from error
    except Exception as error:  # decoders raise anything for damaged data
        # The words of others may quote the file.
        reason = str(error) if isinstance(error, FrameError) else type(error).__name__
        raise InputError(
            f"{item.label} has pixels that cannot be decoded ({reason}): the file is cut off or damaged"
        ) from error


def _picture(pixels: PixelData, frame: int) -> np.ndarray:
    """Decode one frame: (rows, columns) as stored, or (rows, columns, 3) RGB."""
    if not 0 <= frame < pixels.frames:
        raise FrameError(f"{pixels.frames} frame(s), frame {frame + 1} is missing")
    header = pixels.header
    options: dict[str, Any] = {
        "photometric_interpretation": "MONOCHROME2",
        "samples_per_pixel": 1,
        "pixel_representation": 0,
        "bits_stored": header.BitsAllocated,
        **as_pixel_options(header),
        "pixel_keyword": "PixelData",
        "pixel_vr": pixels.representation,
    }
    options.pop("extended_offsets", None)
    if options["samples_per_pixel"] > 1:
        options.setdefault("planar_configuration", 0)
    if pixels.syntax.is_encapsulated:
        array = _decompressed(pixels, frame, options)
    else:
        size = options["rows"] * options["columns"] * options["samples_per_pixel"] * options["bits_allocated"] // 8
        if options["photometric_interpretation"] == "YBR_FULL_422":
            size = size * 2 // 3
        # Behind the pixels of the file there may be other attributes.
        if (frame + 1) * size > pixels.length:
            raise FrameError(f"{pixels.length} bytes, frame {frame + 1} of {size} bytes is missing")
        with pixels.open() as stream:
            array, _ = get_decoder(pixels.syntax).as_array(stream, index=frame, **options)
    if options["photometric_interpretation"] == "PALETTE COLOR":
        if "SegmentedRedPaletteColorLookupTableData" in header:
            raise InputError("its palette is in segments, which is not read: convert the file first")
        array = apply_color_lut(array, header)
    return array


def _decompressed(pixels: PixelData, frame: int, options: dict[str, Any]) -> np.ndarray:
    rows, columns = int(options["rows"]), int(options["columns"])
    samples, allocated = int(options["samples_per_pixel"]), int(options["bits_allocated"])
    raw = rows * columns * samples * (allocated // 8)
    data = bare_codestream(pixels.compressed(frame, 4 * raw + (1 << 20)))
    check_frame(data, pixels.syntax, rows, columns, samples, allocated)
    if pixels.syntax in _OURS:
        array = decode_jpeg_lossless(data)
        color = options["photometric_interpretation"]
        return array[:, :, 0] if samples == 1 else _rgb(array.astype(f"u{allocated // 8}"), color)
    if pixels.syntax in JPEGLSTransferSyntaxes and not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        # Without the end marker CharLS can search for minutes in a frame that is cut off.
        data += b"\xff\xd9"
    plugins = _plugins(pixels.syntax)
    if pixels.syntax == JPEGExtended12Bit and read_frame_header(data).bits > 8:
        plugins = [name for name in plugins if name != "pillow"]
        if not plugins:
            raise InputError("lossy JPEG of 12 bits, which nothing here unpacks: decompress the files first")
    # One plugin, not one after the other: what the best one refuses is damaged.
    options = {**options, "number_of_frames": 1, "decoding_plugin": plugins[0] if plugins else ""}
    array, _ = get_decoder(pixels.syntax).as_array(encapsulate([data]), index=0, **options)
    return array


def _rgb(array: np.ndarray, color: str) -> np.ndarray:
    return convert_color_space(array, "YBR_FULL", "RGB") if color.startswith("YBR_FULL") else array


def _finished(picture: np.ndarray, item: Slice) -> np.ndarray:
    """Cut out the tile, make color gray and give the numbers their type."""
    top, left = item.tile or (0, 0)
    array = picture[top : top + item.rows, left : left + item.columns] if item.tile is not None else picture
    if array.ndim == 3 and array.shape[2] == 3:
        array = _gray(array, item)
    if array.shape != (item.rows, item.columns) or array.dtype.kind not in "iu":
        raise InputError(
            f"{item.label} decodes to the shape {array.shape} of {array.dtype}: "
            f"expected {(item.rows, item.columns)} integers"
        )
    # A tile is a view of the shared picture.
    array = array.astype(item.dtype, copy=item.tile is not None)
    low, high = item.limits
    if array.min() < low or array.max() > high:
        # The standard: bits above Bits Stored mean nothing. Decoders differ in whether they clear them.
        unused = item.dtype.itemsize * 8 - high.bit_length() - int(low < 0)
        array = np.right_shift(np.left_shift(array, unused), unused)
    return array


def _gray(array: np.ndarray, item: Slice) -> np.ndarray:
    if item.samples != 3:
        raise InputError(f"{item.label} holds a color picture: expected one value per pixel")
    # In integers, so that halves are rounded up on every machine.
    total = sum((weight * array[:, :, channel].astype(np.int64) for channel, weight in enumerate(_LUMA)), np.int64(0))
    high, most = item.limits[1], int(np.iinfo(array.dtype).max)
    if most > np.iinfo(item.dtype).max:
        gray = (2 * total * high + 1000 * most) // (2000 * most)
    else:
        gray = (total + 500) // 1000
    return np.clip(gray, 0, high).astype(item.dtype)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a compressed frame says of itself, read before any decoder sees it.

Decoders believe the size in the frame's own header, not the one in the DICOM file: a JPEG 2000 frame of 100 bytes may
announce 60000 x 60000 pixels. Only a frame that announces what the file does is decoded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydicom.uid import (
    HTJ2K,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

__all__ = ["FrameError", "FrameHeader", "bare_codestream", "check_frame", "read_frame_header"]

_JP2 = b"\0\0\0\x0cjP  "
_SIZE_OF_FRAME = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_SCAN, _END = 0xDA, 0xD9
# A scan each for a few components, and some slack for thumbnails; each scan costs a pass over the whole image.
_MAX_SCANS = 64
# Tiles of JPEG 2000 below this edge are not worth their header; many of them only cost memory.
_SMALL_TILE = 32
_MAX_TILES = 64
_MAX_LAYERS = 256
_MAX_LEVELS = 32
_J2K = {*JPEG2000TransferSyntaxes, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K}
# The kinds of JPEG, by their start-of-frame marker, that each transfer syntax may hold.
_MARKERS = {
    JPEGBaseline8Bit: {0xC0, 0xC1},
    JPEGExtended12Bit: {0xC0, 0xC1},
    JPEGLossless: {0xC3},
    JPEGLosslessSV1: {0xC3},
    **dict.fromkeys(JPEGLSTransferSyntaxes, {0xF7}),
}


class FrameError(ValueError):
    """Pixels that cannot be decoded: says why in a few words, which hold nothing of the file's text."""


@dataclass(frozen=True)
class FrameHeader:
    """Size of a compressed frame.

    Args:
        rows: height in pixels.
        columns: width in pixels.
        samples: values per pixel.
        bits: bits per value.
        marker: start-of-frame marker of JPEG and JPEG-LS; 0 for JPEG 2000.
    """

    rows: int
    columns: int
    samples: int
    bits: int
    marker: int = 0


def check_frame(frame: bytes, syntax: str, rows: int, columns: int, samples: int, allocated: int) -> None:
    """Refuse a compressed frame that is not what its file announces, or that costs far more than it holds.

    Args:
        frame: the compressed frame; JPEG 2000 without a JP2 wrapper, see :func:`bare_codestream`.
        syntax: transfer syntax UID.
        rows: height that the file announces.
        columns: width that the file announces.
        samples: values per pixel that the file announces.
        allocated: bits per value that the file sets aside.

    Raises:
        FrameError: says what does not agree, without anything of the patient.
    """
    pixels, words = rows * columns, samples * (allocated // 8)
    if len(frame) > 4 * pixels * words + (1 << 20):
        raise FrameError(f"{len(frame)} compressed bytes for {pixels * words} bytes of pixels")
    try:
        if syntax == RLELossless:
            _check_rle(frame, pixels, words)
        elif syntax in _J2K or syntax in _MARKERS:
            _check_size(frame, syntax, rows, columns, samples, allocated)
    except (struct.error, IndexError) as error:
        raise FrameError("a header that is cut off") from error


def _check_size(frame: bytes, syntax: str, rows: int, columns: int, samples: int, allocated: int) -> None:
    header = read_frame_header(frame)
    if header.marker not in _MARKERS.get(UID(syntax), {0}):
        raise FrameError("another compression than the file announces")
    if (header.rows, header.columns, header.samples) != (rows, columns, samples):
        raise FrameError(
            f"{header.columns} x {header.rows} pixels of {header.samples} value(s), but the file announces "
            f"{columns} x {rows} of {samples}"
        )
    if not 1 <= header.bits <= allocated:
        raise FrameError(f"{header.bits} bits per value in {allocated} bits")
    if syntax in _J2K:
        _check_jpeg2000(frame)
    elif frame.count(b"\xff\xda") > _MAX_SCANS:
        raise FrameError(f"more than {_MAX_SCANS} scans")


def read_frame_header(frame: bytes) -> FrameHeader:
    """Read the size out of a JPEG, JPEG-LS or JPEG 2000 frame.

    Raises:
        FrameError: none of these, or cut off.
    """
    try:
        if frame[:2] == b"\xff\xd8":
            return _jpeg(frame)
        if frame[:4] == b"\xff\x4f\xff\x51":
            return _jpeg2000(frame)
    except (struct.error, IndexError) as error:
        raise FrameError("a header that is cut off") from error
    raise FrameError("no JPEG header")


def bare_codestream(frame: bytes) -> bytes:
    """Take the JPEG 2000 codestream out of a JP2 wrapper, which DICOM forbids and some software writes.

    What the wrapper says (palettes, color spaces) is for other programs; DICOM's own attributes count.
    """
    if not frame.startswith(_JP2):
        return frame
    position = 0
    while position + 8 <= len(frame):
        length, kind = struct.unpack_from(">I4s", frame, position)
        start = position + 8
        if length == 1 and start + 8 <= len(frame):
            (length,) = struct.unpack_from(">Q", frame, start)
            start += 8
        end = len(frame) if length == 0 else position + length
        if kind == b"jp2c":
            return frame[start:end]
        if end <= position:
            break
        position = end
    return frame


def _jpeg(frame: bytes) -> FrameHeader:
    found: FrameHeader | None = None
    position = 2
    while True:
        if frame[position] != 0xFF:
            raise FrameError("a damaged JPEG header")
        while frame[position] == 0xFF:  # any number of fill bytes may stand before a marker
            position += 1
        marker = frame[position]
        position += 1
        if marker in _WITHOUT_LENGTH:
            continue
        if marker in (_SCAN, _END):
            break
        (length,) = struct.unpack_from(">H", frame, position)
        if length < 2:
            raise FrameError("a damaged JPEG header")
        if marker in _SIZE_OF_FRAME:
            if found is not None:
                raise FrameError("two JPEG headers in one frame")
            bits, rows, columns, samples = struct.unpack_from(">BHHB", frame, position + 2)
            found = FrameHeader(rows, columns, samples, bits, marker)
        position += length
    if found is None:
        raise FrameError("no size in the JPEG header")
    return found


def _jpeg2000(frame: bytes) -> FrameHeader:
    width, height, left, top = struct.unpack_from(">4I", frame, 8)
    (samples,) = struct.unpack_from(">H", frame, 40)
    components = [struct.unpack_from(">3B", frame, 42 + 3 * index) for index in range(min(samples, 4))]
    if any((across, down) != (1, 1) for _, across, down in components):
        raise FrameError("components of different sizes")
    bits = {(depth & 0x7F) + 1 for depth, _, _ in components}
    return FrameHeader(height - top, width - left, samples, max(bits, default=0))


def _check_jpeg2000(frame: bytes) -> None:
    """Bound what a decoder sets aside per tile, layer and resolution, none of which costs the file a byte."""
    width, height, left, top, across, down, tile_left, tile_top = struct.unpack_from(">8I", frame, 8)
    if not (across and down) or tile_left > left or tile_top > top or left or top:
        raise FrameError("a damaged tile grid")
    tiles = -(-(width - tile_left) // across) * -(-(height - tile_top) // down)
    if tiles > max(_MAX_TILES, width * height // _SMALL_TILE**2):
        raise FrameError(f"{tiles} tiles")
    position = 4 + struct.unpack_from(">H", frame, 4)[0]
    while position + 4 <= len(frame):
        marker, length = struct.unpack_from(">HH", frame, position)
        if marker in (0xFF90, 0xFFD9) or length < 2:  # the first tile; or nothing
            return
        if marker == 0xFF52:
            style, _, layers, _, levels = struct.unpack_from(">BBHBB", frame, position + 4)
            if layers > _MAX_LAYERS or levels > _MAX_LEVELS:
                raise FrameError(f"{layers} layers of {levels} levels")
            if style & 1:
                _check_precincts(frame[position + 14 : position + 2 + length], levels)
        position += 2 + length


def _check_precincts(sizes: bytes, levels: int) -> None:
    # Two exponents each. Precincts of a few pixels multiply the packets that a decoder counts through.
    if any(size & 15 < 4 or size >> 4 < 4 for size in sizes[1 : levels + 1]):
        raise FrameError("precincts of less than 16 pixels")


def _check_rle(frame: bytes, pixels: int, segments: int) -> None:
    if len(frame) < 64:
        raise FrameError("a header that is cut off")
    count, *offsets = struct.unpack_from("<16I", frame)
    if count != segments:
        raise FrameError(f"{count} segments instead of {segments}")
    ends = [*offsets[1:count], len(frame)]
    for start, end in zip(offsets, ends, strict=False):
        # Encoders that gain nothing write one byte more per 128; two bytes may become 128, so much more is an attack.
        if not 64 <= start <= end <= len(frame) or end - start > 2 * pixels + 1024:
            raise FrameError("segments that do not lie one behind the other")

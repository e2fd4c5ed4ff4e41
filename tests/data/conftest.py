# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Files that several tests of the readers need: Siemens mosaics with their private header, JPEG Lossless streams."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

OBLIQUE = [1, 0, 0, 0, math.cos(0.2), -math.sin(0.2)]
_REPRESENTATIONS = {"NumberOfImagesInMosaic": b"US", "ProtocolSliceNumber": b"IS", "AcquisitionMatrixText": b"SH"}


def _write_csa(values: dict[str, list[str]]) -> bytes:
    """A CSA header of version 2, as Siemens pads it: six items a tag, the unused ones empty."""
    raw = b"SV10\x04\x03\x02\x01" + struct.pack("<II", len(values), 77)
    for name, texts in values.items():
        items = [text.encode() + b"\0" for text in texts] + [b""] * (6 - len(texts))
        raw += struct.pack("<64si4siii", name.encode(), len(texts), _REPRESENTATIONS.get(name, b"FD"), 4, 6, 77)
        for item in items:
            raw += struct.pack("<4i", len(item), len(item), 77, len(item)) + item + b"\0" * (-len(item) % 4)
    return raw


@pytest.fixture(scope="session")
def write_csa() -> Callable[[dict[str, list[str]]], bytes]:
    """Function: the bytes of a CSA header with some values."""
    return _write_csa


@pytest.fixture
def make_mosaic(make_series: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Factory: a mosaic of 4 x 6 tiles whose pixels count upward tile by tile."""

    def make(
        name: str = "mosaic.dcm",
        *,
        count: int = 7,
        orientation: list[float] = OBLIQUE,
        sign: int = 1,
        block: int = 0x10,
        csa: dict[str, list[str]] | None = None,
        stated: int | None = -1,
        edit: Callable[[Dataset], object] | None = None,
        syntax: str | None = None,
    ) -> Path:
        side = math.ceil(math.sqrt(count))
        pixels = np.zeros((4 * side, 6 * side), np.uint16)
        for tile in range(count):
            top, left = tile // side * 4, tile % side * 6
            pixels[top : top + 4, left : left + 6] = np.arange(24).reshape(4, 6) + 100 * (tile + 1)
        header = {"NumberOfImagesInMosaic": [str(count)], "AcquisitionMatrixText": ["4*6"]}
        header["SliceNormalVector"] = [f"{n:.8f}" for n in sign * np.cross(orientation[:3], orientation[3:])]
        header.update(csa or {})

        def turn(ds: Dataset, index: int) -> None:
            ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
            ds.Manufacturer, ds.PixelSpacing, ds.SliceThickness, ds.SpacingBetweenSlices = "SIEMENS", [2.0, 1.5], 3, 3.6
            ds.ImageOrientationPatient, ds.ImagePositionPatient = orientation, [-90.0, -80.0, 12.5]
            ds.PixelData = pixels.tobytes()
            for element in [e for e in ds if e.tag.is_private]:
                del ds[element.tag]
            if stated is not None:
                ds.add_new((0x0019, block), "LO", "SIEMENS MR HEADER")
                ds.add_new((0x0019, block << 8 | 0x0A), "US", count if stated == -1 else stated)
            ds.add_new((0x0029, block), "LO", "SIEMENS CSA HEADER")
            ds.add_new((0x0029, block << 8 | 0x10), "OB", _write_csa({k: v for k, v in header.items() if v}))
            if edit is not None:
                edit(ds)
            if syntax is not None:
                ds.file_meta.TransferSyntaxUID = syntax

        folder = make_series("being made", modality="MR", slices=1, shape=pixels.shape, edit=turn)
        (folder / "file000").replace(tmp_path / name)
        folder.rmdir()
        return tmp_path / name

    return make


# Two code tables that order the 17 categories differently; every code is 5 bits long.
_ORDERS = [list(range(17)), [8, 3, 16, 0, 1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15]]


def _guess(image: np.ndarray, row: int, column: int, predictor: int, first: int, start: int) -> int:
    """Prediction of annex H.1.2.1, written down pixel by pixel."""
    if row == first:
        return start if column == 0 else int(image[row, column - 1])
    above = int(image[row - 1, column])
    if column == 0:
        return above
    left, corner = int(image[row, column - 1]), int(image[row - 1, column - 1])
    return {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }[predictor]


def _encode(
    image: np.ndarray, bits: int, predictor: int, shift: int = 0, restart_rows: int = 0, interleaved: bool = True
) -> bytes:
    """A JPEG Lossless stream of (rows, columns, samples) numbers below 2^bits."""
    rows, columns, samples = image.shape
    stream = b"\xff\xd8\xff\xe0\x00\x06ABCD"
    for name, order in enumerate(_ORDERS):
        stream += b"\xff\xc4" + struct.pack(">HB", 2 + 17 + 17, name) + bytes([0] * 4 + [17] + [0] * 11) + bytes(order)
    stream += b"\xff\xc3" + struct.pack(">HBHHB", 8 + 3 * samples, bits, rows, columns, samples)
    stream += b"".join(bytes([10 + c, 0x11, 0]) for c in range(samples))
    if restart_rows:
        stream += b"\xff\xdd" + struct.pack(">HH", 4, restart_rows * columns)
    for names in [list(range(samples))] if interleaved else [[c] for c in range(samples)]:
        stream += b"\xff\xda" + struct.pack(">HB", 6 + 2 * len(names), len(names))
        stream += b"".join(bytes([10 + c, (c % 2) << 4]) for c in names) + bytes([predictor, 0, shift])
        stream += _scan(image >> shift, names, bits - shift, predictor, restart_rows or rows)
    return stream + b"\xff\xd9"


def _scan(image: np.ndarray, names: list[int], bits: int, predictor: int, step: int) -> bytes:
    parts = []
    for top in range(0, len(image), step):
        text = []
        for row in range(top, min(top + step, len(image))):
            for column in range(image.shape[1]):
                for c in names:
                    expected = _guess(image[:, :, c], row, column, predictor, top, 1 << (bits - 1))
                    number = (int(image[row, column, c]) - expected) & 0xFFFF
                    number -= 0x10000 if number > 0x8000 else 0
                    size = abs(number).bit_length()
                    text.append(format(_ORDERS[c % 2].index(size), "05b"))
                    if 0 < size < 16:
                        text.append(format(number if number > 0 else number + (1 << size) - 1, f"0{size}b"))
        digits = "".join(text)
        digits += "1" * (-len(digits) % 8)
        parts.append(bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8)).replace(b"\xff", b"\xff\0"))
    joined = parts[0]
    for index, part in enumerate(parts[1:]):
        joined += bytes([0xFF, 0xD0 + index % 8]) + part
    return joined


@pytest.fixture(scope="session")
def encode_jpeg_lossless() -> Callable[..., bytes]:
    """Function: encode (rows, columns, samples) numbers below 2^bits."""
    return _encode

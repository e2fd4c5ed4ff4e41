# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Siemens mosaics: all slices of a volume as tiles of one picture, one picture per time point.

The tiles lie in reading order on a square grid, the rest of which is empty. The header's position belongs to a single
slice as large as the picture, around the center of the first tile; so the true position of the first tile is half of
the surplus further along its rows and columns. The others follow along the slice normal of the private CSA header,
which may point against ``row x column``. Reversed image numbering ("ProtocolSliceNumber") changes the order of the
tiles and the normal alike, so the normal alone says where they lie.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import Tag

from monai_diffdenoise.data.csa_header import read_csa
from monai_diffdenoise.data.dicom_files import DicomFile, quiet
from monai_diffdenoise.data.dicom_slice import Slice, parse_slice
from monai_diffdenoise.data.inflate import inflated
from monai_diffdenoise.errors import InputError

__all__ = ["is_mosaic", "mosaic_slices"]

_MOSAIC = "MOSAIC"
# Private blocks start where their creator is listed, usually at 10.
_BLOCKS = range(0x10, 0x18)
_MR_HEADER, _CSA_HEADER = "SIEMENS MR HEADER", "SIEMENS CSA HEADER"
_TAGS = [
    *(Tag(group, block) for group in (0x0019, 0x0029) for block in _BLOCKS),
    *(Tag(0x0019, block << 8 | 0x0A) for block in _BLOCKS),
    *(Tag(0x0029, block << 8 | 0x10) for block in _BLOCKS),
    *(Tag(name) for name in ("InstanceNumber", "AcquisitionNumber", "AcquisitionTime", "SpacingBetweenSlices")),
]
_EXPORT = "export it as single slices, or convert the original files to NIfTI"


def is_mosaic(header: Dataset) -> bool:
    """Whether an image is a Siemens mosaic.

    Args:
        header: ImageType, and of multi-frame objects PerFrameFunctionalGroupsSequence.

    Returns:
        whether ImageType says so, unless it is a multi-frame object whose frames lie at several places: scanners of the
        XA series unpack mosaics into frames and leave the word where it was.
    """
    with quiet():
        kinds = _value(header, "ImageType")
        if _MOSAIC not in ([kinds] if isinstance(kinds, str) else list(kinds or [])):  # type: ignore[call-overload]
            return False
        places = set()
        for group in _value(header, "PerFrameFunctionalGroupsSequence") or []:  # type: ignore[attr-defined]
            plane = _value(group, "PlanePositionSequence")
            position = _value(plane[0], "ImagePositionPatient") if plane else None  # type: ignore[index]
            places.add(str(position))
        return len(places - {"None"}) < 2


def mosaic_slices(file: DicomFile) -> list[Slice]:
    """Take a mosaic apart.

    Args:
        file: one mosaic, see :func:`is_mosaic`. Its private attributes are read from the file.

    Returns:
        its slices in the order of the tiles: position, size and distance are the tile's; ``moment`` orders the mosaics
        of a series in time.

    Raises:
        InputError: a mosaic of the XA series; a header that does not say how many slices there are, where they lie, or
            says what cannot be.
    """
    with quiet():
        label = _label(file.header)
        if "Enhanced" in _class_name(file.header) or _number(_value(file.header, "NumberOfFrames"), 1) > 1:
            raise InputError(
                f"{label} is an enhanced mosaic (XA series), whose header does not say where its slices lie: {_EXPORT}"
            )
        private = _private(file, label)
        picture = parse_slice(DicomFile(file.fingerprint, _without_the_word(file.header)))
        csa = read_csa(_csa_bytes(private))
        count = _count(private, csa, label)
        side = math.isqrt(count - 1) + 1
        if picture.rows % side or picture.columns % side:
            raise InputError(
                f"{label} is damaged: its {picture.columns} x {picture.rows} pixels cannot hold {side} x {side} tiles"
            )
        rows, columns = picture.rows // side, picture.columns // side
        first, step = _geometry(picture, rows, columns, private, csa, label)
        return [
            replace(
                picture,
                label=f"tile {index + 1} of the {label}",
                rows=rows,
                columns=columns,
                position=first + index * step,
                thickness=float(np.linalg.norm(step)),
                tile=(index // side * rows, index % side * columns),
                moment=_moment(private),
            )
            for index in range(count)
        ]


def _label(header: Dataset) -> str:
    number = _value(header, "InstanceNumber")
    return f"mosaic with instance number {number}" if number is not None else "mosaic without instance number"


def _class_name(header: FileDataset) -> str:
    uid = _value(header, "SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID") or ""
    return pydicom.uid.UID(str(uid)).name


def _value(header: Dataset, keyword: str) -> object | None:
    try:
        value = header.get(keyword)
    except Exception:  # pydicom raises many types for damaged values
        return None
    return None if value == "" else value


def _number(value: object, default: float) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return default
    return number if math.isfinite(number) else default


def _private(file: DicomFile, label: str) -> Dataset:
    file.fingerprint.check(label)
    try:
        with inflated(file.path) as unpacked:
            source = file.path if unpacked is None else unpacked
            return pydicom.dcmread(source, force=True, stop_before_pixels=True, specific_tags=_TAGS)
    except Exception as error:  # pydicom raises many types for damaged files
        raise InputError(f"{label} cannot be read again: expected the same file until it is read") from error


def _without_the_word(header: FileDataset) -> FileDataset:
    """The header of an ordinary picture; the old one stays as it is."""
    implicit, little = header.original_encoding
    plain = FileDataset("", dict(header.items()), None, header.file_meta, bool(implicit), bool(little))
    kinds = header.get("ImageType")
    plain.ImageType = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != _MOSAIC]
    return plain


def _private_value(private: Dataset, group: int, creator: str, element: int) -> object | None:
    for block in _BLOCKS:
        try:
            if str(private[group, block].value).strip() == creator:
                return private[group, block << 8 | element].value
        except Exception:  # absent, or damaged
            continue
    return None


def _csa_bytes(private: Dataset) -> bytes:
    raw = _private_value(private, 0x0029, _CSA_HEADER, 0x10)
    return raw if isinstance(raw, bytes) else b""


def _count(private: Dataset, csa: dict[str, list[str]], label: str) -> int:
    raw = _private_value(private, 0x0019, _MR_HEADER, 0x0A)
    stated = int.from_bytes(raw[:2], "little") if isinstance(raw, bytes) else raw
    counts = {_number(value, 0) for value in (stated, *csa.get("NumberOfImagesInMosaic", [])[:1]) if value}
    count = counts.pop() if len(counts) == 1 else 0
    if count < 1 or count != int(count):
        raise InputError(
            f"{label} does not say how many slices it holds (Siemens' private attributes are missing or disagree): "
            f"{_EXPORT}"
        )
    return int(count)


def _geometry(
    picture: Slice, rows: int, columns: int, private: Dataset, csa: dict[str, list[str]], label: str
) -> tuple[np.ndarray, np.ndarray]:
    """Position of the first tile, and the vector from tile to tile; LPS mm."""
    if picture.position is None or picture.orientation is None or picture.spacing is None:
        raise InputError(f"{label} does not say where it lies: expected position, orientation and pixel spacing")
    distance = abs(_number(_value(private, "SpacingBetweenSlices"), 0))
    stated = np.array([_number(value, 0) for value in csa.get("SliceNormalVector", [])])
    if distance == 0 or len(stated) != 3:
        missing = "Spacing Between Slices" if distance == 0 else "the slice normal of Siemens' private CSA header"
        raise InputError(f"{label} does not say where its slices lie ({missing} is missing): {_EXPORT}")
    row, column = picture.orientation[:3], picture.orientation[3:]
    normal = np.cross(row, column)
    along = float(stated @ normal)
    if abs(abs(along) - 1) > 0.01:
        raise InputError(f"{label} is damaged: its slice normal does not stand on its rows and columns")
    down, across = picture.spacing
    surplus = row * across * (picture.columns - columns) + column * down * (picture.rows - rows)
    return picture.position + surplus / 2, math.copysign(distance, along) * normal


def _moment(private: Dataset) -> tuple[float, ...]:
    return (
        _number(_value(private, "AcquisitionNumber"), 0),
        _seconds(str(_value(private, "AcquisitionTime") or "")),
        _number(_value(private, "InstanceNumber"), 0),
    )


def _seconds(time: str) -> float:
    """Seconds since midnight of a DICOM time, HHMMSS.F with parts left out from the right; 0 for anything else."""
    whole, _, fraction = time.strip().partition(".")
    if not whole.isdigit() or len(whole) > 6 or (fraction and not fraction.isdigit()):
        return 0.0
    digits = whole.ljust(6, "0")
    return int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:]) + float(f"0.{fraction or 0}")

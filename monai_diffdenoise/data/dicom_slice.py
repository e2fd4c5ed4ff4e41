# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One slice image of DICOM, wherever it lies in a file: its attributes as plain numbers, and what makes it unfit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, AllTransferSyntaxes

from monai_diffdenoise.data.dicom_files import DicomFile, quiet
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.errors import InputError

__all__ = ["Slice", "parse_slice"]

# Real pixel data is not compressed further than this; a file that claims more is damaged or hostile.
_MAX_RATIO = 1000
_ALWAYS_PLAUSIBLE = 16 << 20


@dataclass(frozen=True, eq=False)
class Slice:
    """What the reader needs of one slice image: a file, one frame of a file, or one tile of a mosaic.

    Args:
        fingerprint: path, size and time of the file.
        label: how messages call the slice; by its instance number, since file names may name the patient.
        sop_class: SOP Class UID, empty if the file gives none.
        sop_instance: SOP Instance UID, empty if the file gives none.
        study: Study Instance UID.
        series: Series Instance UID.
        syntax: transfer syntax.
        rows: height in pixels.
        columns: width in pixels.
        dtype: number type of the stored pixels, native byte order.
        limits: smallest and largest number within Bits Stored.
        slope: rescale slope.
        inter: rescale intercept.
        padding: smallest and largest stored number that means "no pixel here", if any.
        spacing: mm between rows, mm between columns; None if the file gives none.
        thickness: mm from slice to slice as far as one file can say; None if it cannot.
        orientation: direction cosines of a row and of a column (LPS), None if absent.
        position: center of the first pixel, LPS mm, None if absent.
        frame: index of the frame in the file's pixel data.
        tile: row and column in the frame where this slice begins, for a slice that is one tile of a mosaic; else None.
        samples: values per pixel: 1, or 3 for color of which the luma is taken.
        kind: what tells the stacks of a series apart beyond size and orientation: (name, value) pairs such as
            ("echo time", "4.6"), which messages list.
        moment: sort key of the time points of one stack; slices of one position differ in it.
    """

    fingerprint: Fingerprint
    label: str
    sop_class: str
    sop_instance: str
    study: str
    series: str
    syntax: UID
    rows: int
    columns: int
    dtype: np.dtype
    limits: tuple[int, int]
    slope: float
    inter: float
    padding: tuple[int, int] | None
    spacing: tuple[float, float] | None
    thickness: float | None
    orientation: np.ndarray | None
    position: np.ndarray | None
    frame: int = 0
    tile: tuple[int, int] | None = None
    samples: int = 1
    kind: tuple[tuple[str, str], ...] = ()
    moment: tuple[float, ...] = ()


def parse_slice(file: DicomFile) -> Slice:
    """Check one file and take its attributes.

    Raises:
        InputError: not a grayscale single-frame image that is denoised today, or damaged attributes.
    """
    with quiet():
        return _parse(file)


def _parse(file: DicomFile) -> Slice:
    header, meta = file.header, file.header.file_meta
    number = _get(header, "InstanceNumber")
    label = f"slice with instance number {number}" if number is not None else "a slice without instance number"
    sop_class = str(_get(header, "SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")
    _refuse_kinds(header, sop_class, label)
    dtype, limits = _pixel_type(header, label)
    rows, columns = (int(_numbers(header, key, label, 1)[0]) for key in ("Rows", "Columns"))
    if rows < 1 or columns < 1:
        raise InputError(f"{label} has {rows} rows and {columns} columns: expected at least 1 each")
    syntax = UID(meta.TransferSyntaxUID)
    _refuse_size(file.fingerprint.size, rows * columns * dtype.itemsize, syntax, label)
    slope, inter = _rescale(header, label)
    return Slice(
        fingerprint=file.fingerprint,
        label=label,
        sop_class=sop_class,
        sop_instance=str(_get(header, "SOPInstanceUID") or meta.get("MediaStorageSOPInstanceUID") or ""),
        study=str(_get(header, "StudyInstanceUID") or ""),
        series=str(_get(header, "SeriesInstanceUID") or ""),
        syntax=syntax,
        rows=rows,
        columns=columns,
        dtype=dtype,
        limits=limits,
        slope=slope,
        inter=inter,
        padding=_padding(header, dtype),
        spacing=_spacing(header, label),
        thickness=_thickness(header),
        orientation=_vector(header, "ImageOrientationPatient", label, 6),
        position=_vector(header, "ImagePositionPatient", label, 3),
    )


def _get(header: Dataset, keyword: str) -> object | None:
    """Value of an attribute, None if it is absent, empty or cannot be decoded."""
    try:
        value = header.get(keyword)
    except Exception:  # pydicom raises many types for damaged values
        return None
    return None if value is None or (isinstance(value, str) and not value.strip()) else value


def _numbers(header: Dataset, keyword: str, label: str, count: int) -> list[float]:
    """Numbers of an attribute, [] if it is absent or empty; InputError if they are not ``count`` finite numbers."""
    if keyword not in header:
        return []
    try:
        value = header[keyword].value
        if value is None or value == "" or (isinstance(value, (list, tuple)) and not value):
            return []
        items = [float(item) for item in ([value] if isinstance(value, (str, int, float)) else list(value))]
    except Exception as error:  # pydicom raises many types for damaged values
        raise InputError(f"{label} has a damaged {keyword}: expected {count} number(s)") from error
    if len(items) != count or not all(map(math.isfinite, items)):
        raise InputError(f"{label} has a damaged {keyword}: expected {count} finite number(s)")
    return items


def _vector(header: Dataset, keyword: str, label: str, count: int) -> np.ndarray | None:
    numbers = _numbers(header, keyword, label, count)
    return np.array(numbers, dtype=np.float64) if numbers else None


def _refuse_kinds(header: Dataset, sop_class: str, label: str) -> None:
    frames = _numbers(header, "NumberOfFrames", label, 1)
    kind = UID(sop_class).name
    if (frames and frames[0] > 1) or "Enhanced" in kind or "Multi-frame" in kind or kind == "Segmentation Storage":
        count = int(frames[0]) if frames else 1
        raise InputError(
            f"{label} is multi-frame or enhanced DICOM ({count} frame(s)), which is not read yet: "
            "expected classic single-frame images; convert it to NIfTI or to classic DICOM first"
        )
    image_type = _get(header, "ImageType")
    if "MOSAIC" in ([image_type] if isinstance(image_type, str) else list(image_type or [])):  # type: ignore[call-overload]
        raise InputError(
            f"{label} is a Siemens mosaic (many slices tiled in one picture), which is not read yet: "
            "convert it to NIfTI first"
        )
    photometric = str(_get(header, "PhotometricInterpretation") or "MONOCHROME2")
    samples = _numbers(header, "SamplesPerPixel", label, 1)
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or (samples and samples[0] != 1):
        raise InputError(f"{label} is a color image ({photometric}): expected grayscale, MONOCHROME1 or MONOCHROME2")
    if "ModalityLUTSequence" in header:
        raise InputError(f"{label} maps its values through a modality lookup table: expected rescale slope/intercept")


def _pixel_type(header: Dataset, label: str) -> tuple[np.dtype, tuple[int, int]]:
    allocated, *_ = _numbers(header, "BitsAllocated", label, 1) or [0]
    stored, *_ = _numbers(header, "BitsStored", label, 1) or [allocated]
    high, *_ = _numbers(header, "HighBit", label, 1) or [stored - 1]
    signed, *_ = _numbers(header, "PixelRepresentation", label, 1) or [0]
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated or high != stored - 1 or signed not in (0, 1):
        raise InputError(
            f"{label} stores its pixels in {stored:g} of {allocated:g} bits up to bit {high:g}: "
            "expected 8, 16 or 32 bits with the value in the lowest ones"
        )
    for group in range(16):
        # 1 is the normal case: the overlay has its own data. Anything else: it hides in the pixels' unused bits.
        if header.get((0x6000 + 2 * group, 0x0100)) is not None and header[0x6000 + 2 * group, 0x0100].value not in (
            None,
            1,
        ):
            raise InputError(f"{label} holds an overlay inside its pixel values, which is not read yet")
    bits = int(stored)
    limits = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return np.dtype(f"{'i' if signed else 'u'}{int(allocated) // 8}"), limits


def _refuse_size(file_size: int, pixels: int, syntax: UID, label: str) -> None:
    if syntax not in AllTransferSyntaxes:
        raise InputError(f"{label} is in the unknown transfer syntax {str(syntax)[:64]!r}: expected a standard one")
    if syntax.is_compressed or syntax.is_deflated:
        too_much = pixels > max(_ALWAYS_PLAUSIBLE, file_size * _MAX_RATIO)
    else:
        too_much = pixels > file_size
    if too_much:
        raise InputError(
            f"{label} is cut off or damaged: it declares {pixels} bytes of pixels in a file of {file_size} bytes"
        )


def _rescale(header: Dataset, label: str) -> tuple[float, float]:
    slope, *_ = _numbers(header, "RescaleSlope", label, 1) or [1.0]
    inter, *_ = _numbers(header, "RescaleIntercept", label, 1) or [0.0]
    if slope == 0:
        raise InputError(f"{label} has a rescale slope of 0: expected another number, since 0 erases the image")
    return slope, inter


def _padding(header: Dataset, dtype: np.dtype) -> tuple[int, int] | None:
    try:
        values = [header.get(key) for key in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
        # A negative padding value is often stored as if it were unsigned; the bits are what counts.
        ends = [int(np.array(int(v), np.int64).astype(dtype)) for v in values if v is not None and v != ""]
    except Exception:  # without a usable value there is nothing to keep
        return None
    return (min(ends), max(ends)) if ends and header.get("PixelPaddingValue") is not None else None


def _spacing(header: Dataset, label: str) -> tuple[float, float] | None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        numbers = _numbers(header, keyword, label, 2)
        if numbers:
            if min(numbers) <= 0:
                raise InputError(f"{label} has a {keyword} of {numbers}: expected two lengths above 0 mm")
            return numbers[0], numbers[1]
    return None


def _thickness(header: Dataset) -> float | None:
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        value = _get(header, keyword)
        try:
            number = abs(float(value))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        if math.isfinite(number) and number > 0:
            return number
    return None

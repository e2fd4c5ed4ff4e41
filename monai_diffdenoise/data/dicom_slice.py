# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One slice image of DICOM, wherever it lies in a file: its attributes as plain numbers, and what makes it unfit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydicom.uid import UID

from monai_diffdenoise.data.dicom_attributes import Attributes
from monai_diffdenoise.data.dicom_files import DicomFile, quiet
from monai_diffdenoise.data.dicom_kind import kind_of, moment_of
from monai_diffdenoise.data.dicom_unfit import is_color, refuse_size, refuse_unfit
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.errors import InputError

__all__ = ["Slice", "attributes_of", "check_file", "parse_image", "parse_slice"]

# Physical Units X Direction of an ultrasound region.
_CENTIMETERS = 3
# Tag and length of the pixels' data element, at least.
_ELEMENT_START = 8


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
        burned_in: whether the file says that text is burned into its pixels.
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
    burned_in: bool = False


def parse_slice(file: DicomFile, options: ReadOptions | None = None) -> Slice:
    """Check a file that holds one picture and take its attributes.

    Args:
        file: the file; of several frames the first is described.
        options: how to take what can be taken in more than one way.

    Raises:
        InputError: not an image that is denoised, or damaged attributes.
    """
    with quiet():
        image, options = attributes_of(file), options if options is not None else ReadOptions()
        check_file(image, file, options)
        return parse_image(image, file)


def attributes_of(file: DicomFile) -> Attributes:
    """The attributes at the top level of a file, and how messages call it."""
    # Damaged files lose what the file's own header repeats under other names.
    number = Attributes("", file.header).text("InstanceNumber")[:16]
    label = f"slice with instance number {number}" if number else "a slice without instance number"
    return Attributes(label, file.header)


def check_file(image: Attributes, file: DicomFile, options: ReadOptions, frames: int = 1) -> None:
    """Refuse a file for what its top level says of all its frames, before anything of their size is asked for.

    Args:
        image: the attributes at the top level.
        file: the file.
        options: how to take what can be taken in more than one way.
        frames: how many frames it declares.

    Raises:
        InputError: see :mod:`monai_diffdenoise.data.dicom_unfit`.
    """
    refuse_unfit(image, options)
    dtype, _ = _pixel_type(image)
    rows, columns = _shape(image)
    samples, *_ = image.numbers("SamplesPerPixel", 1) or [1.0]
    if image.text("PhotometricInterpretation") == "YBR_FULL_422":
        samples = 2
    pixels = int(rows * columns * frames * samples * dtype.itemsize)
    left = file.fingerprint.size if file.pixels_at is None else file.fingerprint.size - file.pixels_at - _ELEMENT_START
    refuse_size(left, pixels, UID(file.header.file_meta.TransferSyntaxUID), image.label)


def parse_image(image: Attributes, file: DicomFile, frame: int | None = None) -> Slice:
    """Take the attributes of one image: a checked file, or one frame of it.

    Args:
        image: its attributes.
        file: where it lies.
        frame: index of the frame in a file of several.

    Raises:
        InputError: damaged attributes.
    """
    meta = file.header.file_meta
    color = is_color(image)
    dtype, limits = _pixel_type(image)
    rows, columns = _shape(image)
    slope, inter = (1.0, 0.0) if color else _rescale(image)
    return Slice(
        fingerprint=file.fingerprint,
        label=image.label,
        sop_class=image.text("SOPClassUID") or str(meta.get("MediaStorageSOPClassUID") or ""),
        sop_instance=image.text("SOPInstanceUID") or str(meta.get("MediaStorageSOPInstanceUID") or ""),
        study=image.text("StudyInstanceUID"),
        series=image.text("SeriesInstanceUID"),
        syntax=UID(meta.TransferSyntaxUID),
        rows=rows,
        columns=columns,
        dtype=dtype,
        limits=limits,
        slope=slope,
        inter=inter,
        padding=None if color else _padding(image, dtype),
        spacing=_spacing(image),
        thickness=_thickness(image),
        orientation=_orientation(image),
        position=_vector(image, "ImagePositionPatient", 3),
        frame=frame or 0,
        samples=3 if color else 1,
        kind=kind_of(image),
        moment=moment_of(image, frame),
        burned_in=image.text("BurnedInAnnotation").upper() == "YES",
    )


def _shape(image: Attributes) -> tuple[int, int]:
    rows, columns = (int((image.numbers(key, 1) or [0.0])[0]) for key in ("Rows", "Columns"))
    if rows < 1 or columns < 1:
        raise InputError(f"{image.label} has {rows} rows and {columns} columns: expected at least 1 each")
    return rows, columns


def _vector(image: Attributes, keyword: str, count: int) -> np.ndarray | None:
    numbers = image.numbers(keyword, count)
    return np.array(numbers, dtype=np.float64) if numbers else None


def _orientation(image: Attributes) -> np.ndarray | None:
    cosines = _vector(image, "ImageOrientationPatient", 6)
    if cosines is None:
        return None
    row, column = cosines[:3], cosines[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if abs(lengths[0] - 1) > 0.01 or abs(lengths[1] - 1) > 0.01 or abs(np.dot(row, column)) > 0.01:
        raise InputError(f"{image.label} has a damaged ImageOrientationPatient: expected two perpendicular units")
    return cosines


def _pixel_type(image: Attributes) -> tuple[np.dtype, tuple[int, int]]:
    allocated, *_ = image.numbers("BitsAllocated", 1) or [0.0]
    stored, *_ = image.numbers("BitsStored", 1) or [allocated]
    high, *_ = image.numbers("HighBit", 1) or [stored - 1]
    signed, *_ = image.numbers("PixelRepresentation", 1) or [0.0]
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated or high != stored - 1 or signed not in (0, 1):
        raise InputError(
            f"{image.label} stores its pixels in {stored:g} of {allocated:g} bits up to bit {high:g}: "
            "expected 8, 16 or 32 bits with the value in the lowest ones"
        )
    bits = int(stored)
    limits = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return np.dtype(f"{'i' if signed else 'u'}{int(allocated) // 8}"), limits


def _rescale(image: Attributes) -> tuple[float, float]:
    slope, *_ = image.numbers("RescaleSlope", 1) or [1.0]
    inter, *_ = image.numbers("RescaleIntercept", 1) or [0.0]
    if slope == 0:
        raise InputError(f"{image.label} has a rescale slope of 0: expected another number, since 0 erases the image")
    return slope, inter


def _padding(image: Attributes, dtype: np.dtype) -> tuple[int, int] | None:
    try:
        values = [image.value(key) for key in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
        # A negative padding value is often stored as if it were unsigned; the bits are what counts.
        ends = [int(np.array(int(v), np.int64).astype(dtype)) for v in values if v is not None]
    except Exception:  # without a usable value there is nothing to keep
        return None
    return (min(ends), max(ends)) if ends and values[0] is not None else None


def _spacing(image: Attributes) -> tuple[float, float] | None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        numbers = image.numbers(keyword, 2)
        if numbers:
            if min(numbers) <= 0:
                raise InputError(f"{image.label} has a {keyword} of {numbers}: expected two lengths above 0 mm")
            return numbers[0], numbers[1]
    return _ultrasound_spacing(image)


def _ultrasound_spacing(image: Attributes) -> tuple[float, float] | None:
    """Pixel spacing of the regions of an ultrasound picture that show space, if they agree."""
    found = set()
    rows, columns = _shape(image)
    try:
        for region in image.value("SequenceOfUltrasoundRegions") or []:
            if region.RegionLocationMaxX1 > columns or region.RegionLocationMaxY1 > rows:
                # The picture was made smaller later; its regions were not.
                return None
            if region.PhysicalUnitsXDirection == region.PhysicalUnitsYDirection == _CENTIMETERS:
                found.add((abs(float(region.PhysicalDeltaY)) * 10, abs(float(region.PhysicalDeltaX)) * 10))
    except Exception:  # a damaged region says nothing
        return None
    if len(found) != 1 or not all(0 < length < math.inf for length in next(iter(found))):
        return None
    return found.pop()


def _thickness(image: Attributes) -> float | None:
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        number = image.number(keyword)
        if number:
            return abs(number)
    return None

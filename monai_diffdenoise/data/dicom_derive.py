# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Turn the dataset of a source slice into that of the derived slice.

Kept: patient, study, frame of reference, geometry, acquisition, window, rescale, photometric interpretation, character
set, burned-in annotation, de-identification, history of lossy compression. Replaced: instance and series identity,
image type, pixels, the description of the derivation. Dropped: what described the old pixels (extremes, thumbnail,
signatures) and, by default, private attributes.

Series Date and Time stay: decay correction of PET counts from them.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    generate_uid,
)

from monai_diffdenoise.data.dicom_slice import Slice

__all__ = ["PRODUCT", "DerivedSeries", "derive", "product_version"]

PRODUCT = "monai-diffdenoise"
SERIES_NUMBER_OFFSET = 9000
"""Added to the series number: far above what scanners count to, and the source's number stays readable in it."""

_SUFFIX = " (denoised, not for diagnostic use)"
_LONG_STRING = 64
_SHORT_TEXT = 1024
_LARGEST_INTEGER_STRING = 2**31 - 1
_STALE = (
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "SmallestImagePixelValueInPlane",
    "LargestImagePixelValueInPlane",
    "IconImageSequence",
    "InstanceCreatorUID",
    "PixelDataProviderURL",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "MACParametersSequence",
    "DigitalSignaturesSequence",
    "DataSetTrailingPadding",
)
_LOSSY = {
    JPEGBaseline8Bit: "ISO_10918_1",
    JPEGExtended12Bit: "ISO_10918_1",
    JPEGLSNearLossless: "ISO_14495_1",
}
# Bytes per unit of the representations whose byte order pydicom leaves alone.
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


@dataclass(frozen=True)
class DerivedSeries:
    """What all slices of a derived series share.

    Args:
        uid: its Series Instance UID.
        derivation: what was done, one line.
        keep_private: whether private attributes are kept.
        now: when it was made.
    """

    uid: UID
    derivation: str = ""
    keep_private: bool = False
    now: datetime = field(default_factory=lambda: datetime.now().astimezone())


def product_version() -> str:
    """Version of the installed package; "unknown" when it runs from a source tree."""
    try:
        return importlib.metadata.version(PRODUCT)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def derive(dataset: FileDataset, item: Slice, pixels: np.ndarray, series: DerivedSeries) -> None:
    """Change a source dataset, in place, into a slice of the derived series.

    Args:
        dataset: the whole source dataset.
        item: what was read of it.
        pixels: (rows, columns) stored numbers in the source's number type.
        series: what the slices share.
    """
    _drop(dataset, series.keep_private)
    _decode_all(dataset)
    instance = generate_uid(entropy_srcs=[series.uid, item.sop_instance])
    _mark_lossy(dataset, item, pixels.nbytes)
    _mark_derived(dataset, item, series)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.SeriesInstanceUID = item.sop_class, instance, series.uid
    _stamp(dataset, series.now)
    _put_pixels(dataset, pixels)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(item.sop_class), instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # The 128 bytes in front may hold anything, a thumbnail or a name included.
    dataset.file_meta, dataset.preamble = meta, None


def _decode_all(dataset: FileDataset) -> None:
    """Prepare a dataset of another encoding than the output's, where pydicom has to re-encode every value."""
    implicit, little = dataset.original_encoding
    if not implicit and little:
        return
    _walk(dataset, swap=not little)


def _walk(dataset: Dataset, swap: bool) -> None:
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # pydicom raises many types for damaged values
            # Cannot be carried over into another encoding; an empty value says so honestly.
            del dataset[tag]
            if _vr(tag) not in ("UN", "SQ"):
                dataset.add_new(tag, _vr(tag), None)
            continue
        if element.VR == "SQ":
            for entry in element.value:
                _walk(entry, swap)
        elif swap and element.VR in _WORDS and isinstance(element.value, bytes):
            width = _WORDS[element.VR]
            whole = len(element.value) // width * width
            element.value = np.frombuffer(element.value[:whole], f">u{width}").astype(f"<u{width}").tobytes()


def _drop(dataset: Dataset, keep_private: bool) -> None:
    for keyword in _STALE:
        if keyword in dataset:
            del dataset[keyword]
    for tag in list(dataset.keys()):
        # Command and file meta elements stray into datasets that came without a file header.
        if tag.group < 8 or tag.element == 0 or not keep_private and tag.is_private:
            del dataset[tag]
    if not keep_private:
        _drop_private_items(dataset)


def _drop_private_items(dataset: Dataset) -> None:
    for tag in list(dataset.keys()):
        if tag.is_private:
            del dataset[tag]
        elif _vr(tag) == "SQ":
            for entry in dataset[tag].value or []:
                _drop_private_items(entry)


def _vr(tag: BaseTag) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _values(dataset: Dataset, keyword: str) -> list[str]:
    try:
        value = dataset.get(keyword)
    except Exception:  # a value that cannot be decoded counts as missing
        return []
    if value is None:
        return []
    return [str(v) for v in ([value] if isinstance(value, (str, int, float)) else list(value))]


def _mark_lossy(dataset: Dataset, item: Slice, raw_bytes: int) -> None:
    method = _LOSSY.get(item.syntax)
    if method is None or _values(dataset, "LossyImageCompression") == ["01"]:
        return
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionRatio = f"{raw_bytes / max(len(dataset.PixelData), 1):.3g}"
    dataset.LossyImageCompressionMethod = method


def _mark_derived(dataset: Dataset, item: Slice, series: DerivedSeries) -> None:
    kind = _values(dataset, "ImageType")
    second = kind[1] if len(kind) > 1 and kind[1] in ("PRIMARY", "SECONDARY") else "PRIMARY"
    dataset.ImageType = ["DERIVED", second, *kind[2:]]
    number = (_values(dataset, "SeriesNumber") or ["0"])[0]
    old = int(number) if number.lstrip("+-").isdigit() else 0
    raised = old + SERIES_NUMBER_OFFSET
    dataset.SeriesNumber = str(raised if raised <= _LARGEST_INTEGER_STRING else SERIES_NUMBER_OFFSET)
    title = "/".join(_values(dataset, "SeriesDescription")).strip()
    dataset.SeriesDescription = (title[: _LONG_STRING - len(_SUFFIX)].rstrip() + _SUFFIX).strip()
    steps = [f"Denoised by {PRODUCT} {product_version()}, not for diagnostic use", series.derivation]
    steps += _values(dataset, "DerivationDescription")
    dataset.DerivationDescription = "; ".join(step.replace("\\", "/") for step in steps if step)[:_SHORT_TEXT]
    earlier = list(dataset.get("DerivationCodeSequence") or [])
    dataset.DerivationCodeSequence = [*earlier, _code("113087", "Smoothing")]
    origin = Dataset()
    origin.ReferencedSOPClassUID, origin.ReferencedSOPInstanceUID = item.sop_class, item.sop_instance
    origin.SpatialLocationsPreserved = "YES"
    origin.PurposeOfReferenceCodeSequence = [_code("121322", "Source image for image processing operation")]
    dataset.SourceImageSequence = [origin]
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = [_code("109102", "Processing Equipment")]
    equipment.Manufacturer = f"{PRODUCT} contributors"
    equipment.ManufacturerModelName = PRODUCT
    equipment.SoftwareVersions = product_version()
    equipment.ContributionDescription = "Image denoising"
    dataset.ContributingEquipmentSequence = [*(dataset.get("ContributingEquipmentSequence") or []), equipment]


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _stamp(dataset: Dataset, now: datetime) -> None:
    """Say when the pixels were made, unless the source's dates were removed or shifted to hide them."""
    if _values(dataset, "LongitudinalTemporalInformationModified") in (["REMOVED"], ["MODIFIED"]):
        for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
            if keyword in dataset:
                del dataset[keyword]
        return
    offset = (_values(dataset, "TimezoneOffsetFromUTC") or [""])[0]
    if len(offset) == 5 and offset[0] in "+-" and offset[1:].isdigit():
        minutes = (int(offset[1:3]) * 60 + int(offset[3:])) * (-1 if offset[0] == "-" else 1)
        now = now.astimezone(timezone(timedelta(minutes=minutes)))
    dataset.InstanceCreationDate = now.strftime("%Y%m%d")
    dataset.InstanceCreationTime = now.strftime("%H%M%S.%f")
    # Absent or empty dates may have been taken out on purpose: nothing is invented.
    if _values(dataset, "ContentDate") not in ([], [""]):
        dataset.ContentDate = now.strftime("%Y%m%d")
    if _values(dataset, "ContentTime") not in ([], [""]):
        dataset.ContentTime = now.strftime("%H%M%S.%f")


def _put_pixels(dataset: Dataset, pixels: np.ndarray) -> None:
    raw = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<")).tobytes()
    if "PixelData" in dataset:
        del dataset["PixelData"]
    dataset.add_new("PixelData", "OB" if pixels.dtype.itemsize == 1 else "OW", raw + b"\0" * (len(raw) % 2))
    dataset.BitsAllocated = pixels.dtype.itemsize * 8

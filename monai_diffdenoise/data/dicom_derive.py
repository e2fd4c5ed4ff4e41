# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Turn the dataset of a source object into the header of the derived one.

Kept: patient, study, frame of reference, geometry, acquisition, window, rescale, photometric interpretation, character
set, burned-in annotation, de-identification, history of lossy compression. Replaced: instance and series identity,
image type, the description of the derivation. Dropped: what described the old pixels or the old instance (extremes,
thumbnail, signatures, encrypted identity) and, by default, private attributes (see
:mod:`monai_diffdenoise.data.dicom_private`).

Series Date and Time stay: decay correction of PET counts from them.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from monai_diffdenoise.data.dicom_derive_groups import derive_groups
from monai_diffdenoise.data.dicom_lossy import mark_lossy
from monai_diffdenoise.data.dicom_private import drop_private
from monai_diffdenoise.data.dicom_reencode import to_explicit_little
from monai_diffdenoise.data.dicom_references import code, smoothing, source_image
from monai_diffdenoise.data.dicom_slice import Slice

__all__ = [
    "PRODUCT",
    "SERIES_NUMBER_OFFSET",
    "DerivedSeries",
    "derive",
    "equipment",
    "product_version",
    "stamp",
    "texts",
]

PRODUCT = "monai-diffdenoise"
SERIES_NUMBER_OFFSET = 9000
"""Added to the series number: far above what scanners count to, and the source's number stays readable in it."""

_SUFFIX = " (denoised, not for diagnostic use)"
_LONG_STRING = 64
_SHORT_TEXT = 1024
_LARGEST_INTEGER_STRING = 2**31 - 1
_STALE = (
    # The old pixels.
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "SmallestImagePixelValueInPlane",
    "LargestImagePixelValueInPlane",
    "IconImageSequence",
    "PixelDataProviderURL",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "EncapsulatedPixelDataValueTotalLength",
    "DataSetTrailingPadding",
    # The old instance: who made it, what it was a part of, who vouched for it. Encrypted attributes hold its old
    # identity, which would come back as that of the derived one.
    "InstanceCreatorUID",
    "MACParametersSequence",
    "DigitalSignaturesSequence",
    "EncryptedAttributesSequence",
    "SOPInstanceStatus",
    "SOPAuthorizationDateTime",
    "SOPAuthorizationComment",
    "AuthorizationEquipmentCertificationNumber",
    "ConcatenationUID",
    "SOPInstanceUIDOfConcatenationSource",
    "InConcatenationNumber",
    "InConcatenationTotalNumber",
    "ConcatenationFrameOffsetNumber",
    "FrameExtractionSequence",
)
# ROI Mean and ROI Standard Deviation of every overlay.
_STALE_OVERLAY = frozenset({0x1302, 0x1303})


@dataclass(frozen=True)
class DerivedSeries:
    """What all objects of a derived series share.

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


def derive(
    dataset: FileDataset, items: Sequence[Slice], series: DerivedSeries, place: int, number: int | None = None
) -> None:
    """Change a source dataset, in place, into the header of an object of the derived series.

    Args:
        dataset: the whole source dataset; its pixels go, the new ones are written behind the header.
        items: the slices that are taken from it, in the order of their frames.
        series: what the objects share.
        place: index of the object in the series, from 0.
        number: new instance number; None keeps the source's.

    Raises:
        InputError: frames would have to be dropped from an object that does not describe them one by one.
    """
    first = items[0]
    frames = _frame_count(dataset)
    _drop(dataset)
    text = _description(series)
    chosen = list(range(frames)) if first.tile is not None else [item.frame for item in items]
    grouped = derive_groups(dataset, first, chosen, frames, text=text, keep_private=series.keep_private)
    if not series.keep_private:
        drop_private(dataset)
    to_explicit_little(dataset)
    if "PixelData" in dataset:
        mark_lossy(dataset, first.syntax, frames * int(dataset.Rows) * int(dataset.Columns) * first.dtype.itemsize)
        del dataset["PixelData"]
    _mark_derived(dataset)
    if not grouped:
        _name_source(dataset, first, text)
    # The place tells apart source instances that share a UID by mistake.
    instance = generate_uid(entropy_srcs=[series.uid, first.sop_instance, str(place)])
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.SeriesInstanceUID = first.sop_class, instance, series.uid
    if number is not None:
        dataset.InstanceNumber = number
    dataset.BitsAllocated = first.dtype.itemsize * 8
    stamp(dataset, series.now)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(first.sop_class), instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # The 128 bytes in front may hold anything, a thumbnail or a name included.
    dataset.file_meta, dataset.preamble = meta, None


def _frame_count(dataset: Dataset) -> int:
    number = (texts(dataset, "NumberOfFrames") or ["1"])[0]
    return max(1, int(number)) if number.isdigit() else 1


def _drop(dataset: Dataset) -> None:
    for keyword in _STALE:
        if keyword in dataset:
            del dataset[keyword]
    for tag in list(dataset.keys()):
        overlay = tag.group & 0xFF00 == 0x6000 and tag.element in _STALE_OVERLAY
        # Command and file meta elements stray into datasets that came without a file header.
        if tag.group < 8 or tag.element == 0 or overlay:
            del dataset[tag]


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """The values of an attribute as text, [] if it is absent, empty or cannot be decoded."""
    try:
        value = dataset.get(keyword)
    except Exception:  # pydicom raises many types for damaged values
        return []
    if value is None:
        return []
    return [str(v) for v in (value if isinstance(value, (MultiValue, list, tuple)) else [value])]


def _description(series: DerivedSeries) -> str:
    steps = [f"Denoised by {PRODUCT} {product_version()}, not for diagnostic use", series.derivation]
    return "; ".join(step.replace("\\", "/") for step in steps if step)[:_SHORT_TEXT]


def _mark_derived(dataset: Dataset) -> None:
    kind = texts(dataset, "ImageType")
    second = kind[1] if len(kind) > 1 and kind[1] in ("PRIMARY", "SECONDARY", "MIXED") else "PRIMARY"
    dataset.ImageType = ["DERIVED", second, *kind[2:]]
    number = (texts(dataset, "SeriesNumber") or ["0"])[0]
    old = int(number) if number.lstrip("+-").isdigit() else 0
    raised = old + SERIES_NUMBER_OFFSET
    dataset.SeriesNumber = str(raised if raised <= _LARGEST_INTEGER_STRING else SERIES_NUMBER_OFFSET)
    title = "/".join(texts(dataset, "SeriesDescription")).strip()
    dataset.SeriesDescription = (title[: _LONG_STRING - len(_SUFFIX)].rstrip() + _SUFFIX).strip()
    dataset.ContributingEquipmentSequence = [*(dataset.get("ContributingEquipmentSequence") or []), equipment()]


def _name_source(dataset: Dataset, first: Slice, text: str) -> None:
    earlier = "; ".join(texts(dataset, "DerivationDescription"))
    dataset.DerivationDescription = "; ".join(step for step in (text, earlier) if step)[:_SHORT_TEXT]
    dataset.DerivationCodeSequence = [*(dataset.get("DerivationCodeSequence") or []), smoothing()]
    dataset.SourceImageSequence = [source_image(first)]


def equipment() -> Dataset:
    """Item of Contributing Equipment Sequence: this program, neither the machine that it ran on nor its operator."""
    item = Dataset()
    # 109102: made a new instance from an existing one. 109103 (Modifying) changes an instance but not its pixels.
    item.PurposeOfReferenceCodeSequence = [code("109102", "Processing Equipment")]
    item.Manufacturer = f"{PRODUCT} contributors"
    item.ManufacturerModelName = PRODUCT
    item.SoftwareVersions = product_version()
    item.ContributionDescription = "Image denoising"
    return item


def stamp(dataset: Dataset, now: datetime) -> None:
    """Say when the pixels were made, unless the source's dates were removed or shifted to hide them.

    Args:
        dataset: changed in place.
        now: the time, with its zone.
    """
    if _hides_dates(dataset):
        for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
            if keyword in dataset:
                del dataset[keyword]
        return
    offset = (texts(dataset, "TimezoneOffsetFromUTC") or [""])[0]
    if len(offset) == 5 and offset[0] in "+-" and offset[1:].isdigit():
        minutes = (int(offset[1:3]) * 60 + int(offset[3:])) * (-1 if offset[0] == "-" else 1)
        now = now.astimezone(timezone(timedelta(minutes=minutes)))
    dataset.InstanceCreationDate = now.strftime("%Y%m%d")
    dataset.InstanceCreationTime = now.strftime("%H%M%S.%f")
    # Absent or empty dates may have been taken out on purpose: nothing is invented.
    if texts(dataset, "ContentDate") not in ([], [""]):
        dataset.ContentDate = now.strftime("%Y%m%d")
    if texts(dataset, "ContentTime") not in ([], [""]):
        dataset.ContentTime = now.strftime("%H%M%S.%f")


def _hides_dates(dataset: Dataset) -> bool:
    """Whether dates were removed or shifted: said so, or de-identified without saying that they are untouched."""
    dates = texts(dataset, "LongitudinalTemporalInformationModified")
    return dates in (["REMOVED"], ["MODIFIED"]) or (
        texts(dataset, "PatientIdentityRemoved") == ["YES"] and dates != ["UNMODIFIED"]
    )

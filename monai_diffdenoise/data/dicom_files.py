# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""DICOM files: recognised by their first bytes, their headers and datasets read without noise."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from monai_diffdenoise.data.dicom_kind import KIND_TAGS
from monai_diffdenoise.data.dicom_unfit import UNFIT_TAGS
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.inflate import InflatedFile, inflated
from monai_diffdenoise.errors import InputError

__all__ = ["DicomFile", "HEADER_TAGS", "is_dicom", "quiet", "read_dataset", "read_header"]

HEADER_TAGS: list[str | int] = [
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SliceThickness",
    "SpacingBetweenSlices",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "SequenceOfUltrasoundRegions",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleSlope",
    "RescaleIntercept",
    *UNFIT_TAGS,
    *KIND_TAGS,
]
"""What is read of every file before a series is picked: nothing that names the patient."""

_PYDICOM = r"pydicom(\.|$)"
_quiet_lock = threading.Lock()
_quiet_threads = 0
_loud_again = contextlib.ExitStack()
# Group 0002 or 0008 in the first two bytes, in either byte order: a dataset without the 132 bytes in front of it.
_BARE_STARTS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")


@dataclass(frozen=True, eq=False)
class DicomFile:
    """One image file of a series.

    Args:
        fingerprint: path, size and time of the file.
        header: the attributes in :data:`HEADER_TAGS`, and the file meta information.
        pixels_at: offset in the file where the header ends and the pixels begin; None where that says nothing (deflated
            files). At or behind the end of a file that is cut off.
    """

    fingerprint: Fingerprint
    header: FileDataset
    pixels_at: int | None = None

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.fingerprint.path


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from warning about odd values, or refusing them: its messages quote them, names included.

    What it switches belongs to the whole process: the first thread that enters switches it, the last one that leaves
    switches it back.
    """
    global _quiet_threads, _loud_again
    with _quiet_lock:
        # Each time: another thread's warnings.catch_warnings may have dropped it on its way out.
        warnings.filterwarnings("ignore", module=_PYDICOM)
        if _quiet_threads == 0:
            _loud_again = _silence()
        _quiet_threads += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_threads -= 1
            if _quiet_threads == 0:
                _loud_again.close()


def _silence() -> contextlib.ExitStack:
    stack = contextlib.ExitStack()
    stack.callback(_drop_filter)
    stack.enter_context(pydicom.config.disable_value_validation())
    # pydicom repeats its warnings to the log, with the values in them.
    stack.callback(pydicom.config.logger.setLevel, pydicom.config.logger.level)
    pydicom.config.logger.setLevel(logging.CRITICAL + 1)
    return stack


def _drop_filter() -> None:
    # By hand, since catch_warnings would put back a list that another thread has changed meanwhile.
    warnings.filters[:] = [  # type: ignore[index]
        entry for entry in warnings.filters if getattr(entry[3], "pattern", entry[3]) != _PYDICOM
    ]


def is_dicom(path: Path) -> bool:
    """Whether the start of a file looks like DICOM, with the 132 bytes in front or without."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(132)
    except OSError:
        return False
    return head[128:] == b"DICM" or (len(head) > 8 and head[:2] in _BARE_STARTS)


def read_dataset(path: Path, *, header_only: bool = False, more: Sequence[str] = ()) -> FileDataset | None:
    """Read a file as DICOM; None when it is none.

    Args:
        path: the file.
        header_only: read :data:`HEADER_TAGS` only, no pixels.
        more: keywords that are read beside them.

    Raises:
        InputError: a deflated file holds more than it declares (only when all of it is read).
    """
    found = _read(path, [Tag(tag) for tag in (*HEADER_TAGS, *more)] if header_only else None)
    return None if found is None else found[0]


def read_header(path: Path) -> tuple[FileDataset, int | None] | None:
    """Read :data:`HEADER_TAGS` of a file, and where its pixels begin; None when it is no DICOM."""
    return _read(path, [Tag(tag) for tag in HEADER_TAGS])


def _read(path: Path, tags: list[BaseTag] | None) -> tuple[FileDataset, int | None] | None:
    """The dataset, all of it when no tags are named, and where in the file reading stopped, if that tells anything."""
    if not is_dicom(path):
        return None
    try:
        with quiet(), inflated(path) as unpacked:
            if unpacked is not None:
                return _read_inflated(unpacked, path.stat().st_size, tags), None
            with open(path, "rb") as stream:
                bare = stream.read(132)[128:] != b"DICM"
                stream.seek(0)
                dataset = pydicom.dcmread(stream, force=bare, stop_before_pixels=tags is not None, specific_tags=tags)
                end = stream.tell()
    except InputError:
        if tags is not None:
            return None
        raise
    except Exception:  # damaged files make pydicom raise anything; all of it means "not readable"
        return None
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        syntax = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else syntax
    return dataset, end


def _read_inflated(unpacked: InflatedFile, packed_size: int, tags: list[BaseTag] | None) -> FileDataset:
    if tags is None:
        unpacked.allow_pixels(packed_size)
    dataset = pydicom.dcmread(unpacked, stop_before_pixels=tags is not None, specific_tags=tags)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return dataset

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Find the DICOM images below a path and pick one series of them."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.inflate import InflatedFile, inflated
from monai_diffdenoise.errors import InputError

__all__ = ["DicomFile", "HEADER_TAGS", "find_series", "is_dicom", "quiet", "read_dataset"]

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
    "ModalityLUTSequence",
    # Overlay bits that share the pixels' words: Overlay Bits Allocated of the first groups.
    *(0x60000100 + (group << 17) for group in range(16)),
]
"""What is read of every file before a series is picked: nothing that names the patient."""

_MAX_LISTED = 12
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
    """

    fingerprint: Fingerprint
    header: FileDataset

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


def read_dataset(path: Path, *, header_only: bool = False) -> FileDataset | None:
    """Read a file as DICOM; None when it is none.

    Args:
        path: the file.
        header_only: read :data:`HEADER_TAGS` only, no pixels.

    Raises:
        InputError: a deflated file holds more than it declares (only when all of it is read).
    """
    if not is_dicom(path):
        return None
    tags: list[BaseTag] | None = [Tag(tag) for tag in HEADER_TAGS] if header_only else None
    try:
        with quiet(), inflated(path) as unpacked:
            if unpacked is not None:
                return _read_inflated(unpacked, path.stat().st_size, tags)
            with open(path, "rb") as stream:
                bare = stream.read(132)[128:] != b"DICM"
            dataset = pydicom.dcmread(path, force=bare, stop_before_pixels=header_only, specific_tags=tags)
    except InputError:
        if header_only:
            return None
        raise
    except Exception:  # damaged files make pydicom raise anything; all of it means "not readable"
        return None
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        syntax = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else syntax
    return dataset


def _read_inflated(unpacked: InflatedFile, packed_size: int, tags: list[BaseTag] | None) -> FileDataset:
    if tags is None:
        unpacked.allow_pixels(packed_size)
    dataset = pydicom.dcmread(unpacked, stop_before_pixels=tags is not None, specific_tags=tags)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return dataset


def find_series(path: Path, series: str | None = None) -> list[DicomFile]:
    """Collect the images of one series.

    Args:
        path: a DICOM file, or a folder that is searched with all folders below it. Hidden files and folders, files
            that are not DICOM and DICOM objects that are not images (reports, directories) are passed over.
        series: Series Instance UID, or the unique end of it.

    Returns:
        the files of the series, in no particular order.

    Raises:
        InputError: no image, or several series and none picked.
    """
    groups: dict[str, list[DicomFile]] = {}
    for file in _candidates(path):
        dataset = read_dataset(file, header_only=True)
        if dataset is None or not _is_image(dataset):
            continue
        entry = DicomFile(Fingerprint.of(file, "a file of the series"), dataset)
        groups.setdefault(_text(dataset, "SeriesInstanceUID"), []).append(entry)
    if not groups:
        what = "no readable DICOM image in it" if path.is_dir() else "not a readable DICOM image"
        raise InputError(f"{path}: {what}; expected a DICOM file, or a folder with one series")
    if series is not None:
        matches = [uid for uid in groups if uid == series] or [uid for uid in groups if uid.endswith(series)]
        if len(matches) != 1 or not series:
            raise InputError(f"{path}: {len(matches)} series end in {series!r}, expected one of: {_listing(groups)}")
        return groups[matches[0]]
    if len(groups) > 1:
        raise InputError(
            f"{path} holds {len(groups)} series: {_listing(groups)}; "
            "pick one with --series and its UID, or the end of the UID as shown"
        )
    return next(iter(groups.values()))


def _candidates(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, subfolders, names in os.walk(path):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            file = Path(folder, name)
            if not name.startswith(".") and name.upper() != "DICOMDIR" and file.is_file():
                yield file


def _is_image(dataset: Dataset) -> bool:
    return all(keyword in dataset for keyword in ("Rows", "Columns", "BitsAllocated"))


def _text(dataset: Dataset, keyword: str) -> str:
    with quiet():
        try:
            return str(dataset.get(keyword) or "").strip()
        except Exception:  # a value that cannot be decoded counts as missing
            return ""


def _listing(groups: dict[str, list[DicomFile]]) -> str:
    digits = _unique_ending(list(groups))
    entries = []
    for uid, files in list(groups.items())[:_MAX_LISTED]:
        header = files[0].header
        number = _text(header, "SeriesNumber") or "without number"
        modality = _text(header, "Modality") or "unknown modality"
        entries.append(f"series {number} {modality} {len(files)} slice(s) UID ...{uid[-digits:]}")
    if len(groups) > _MAX_LISTED:
        entries.append(f"and {len(groups) - _MAX_LISTED} more")
    return "; ".join(entries)


def _unique_ending(uids: list[str]) -> int:
    longest = max(len(uid) for uid in uids)
    for digits in range(6, longest):
        if len({uid[-digits:] for uid in uids}) == len(uids):
            return digits
    return max(longest, 1)

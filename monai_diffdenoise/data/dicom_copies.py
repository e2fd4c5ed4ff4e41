# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One instance, one file: copies of the same DICOM instance in a folder."""

from __future__ import annotations

import filecmp

from pydicom.dataset import FileDataset

from monai_diffdenoise.data.dicom_attributes import Attributes
from monai_diffdenoise.data.dicom_files import HEADER_TAGS, DicomFile, quiet, read_dataset
from monai_diffdenoise.errors import InputError

__all__ = ["without_copies"]

_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def without_copies(files: list[DicomFile]) -> list[DicomFile]:
    """Keep one file of each instance.

    Args:
        files: the files of one series. Files without an instance UID are all kept.

    Raises:
        InputError: two files have the same instance UID but differ in their pixels or in what is read of their headers.
    """
    kept: dict[str, DicomFile] = {}
    unnamed: list[DicomFile] = []
    for file in files:
        with quiet():
            uid = Attributes("", file.header).text("SOPInstanceUID")
        first = kept.setdefault(uid, file) if uid else file
        if not uid:
            unnamed.append(file)
        elif first is not file and not _same(first, file):
            with quiet():
                number = Attributes("", file.header).shown("InstanceNumber")[:16] or "without number"
            raise InputError(
                f"two files claim to be the same instance (instance number {number}) but differ: expected copies with "
                "the same pixels and geometry; take one of them out of the folder"
            )
    return [*kept.values(), *unnamed]


def _same(one: DicomFile, other: DicomFile) -> bool:
    if one.fingerprint.size == other.fingerprint.size and filecmp.cmp(one.path, other.path, shallow=False):
        return True
    # Archives change names, institutions and the like on their way; what is read must agree.
    datasets = read_dataset(one.path), read_dataset(other.path)
    if datasets[0] is None or datasets[1] is None:
        return False
    with quiet():
        return _essence(datasets[0]) == _essence(datasets[1])


def _essence(dataset: FileDataset) -> list[object]:
    found: list[object] = [str(dataset.file_meta.TransferSyntaxUID)]
    image = Attributes("", dataset)
    for keyword in (*HEADER_TAGS, *_GROUPS, "PixelData"):
        if keyword != "SpecificCharacterSet":
            value = image.value(keyword)
            found.append(value if isinstance(value, bytes) else str(value))
    return found

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Stand-in for the reader of Siemens mosaics, which is written elsewhere: refuses them."""

from __future__ import annotations

from pydicom.dataset import Dataset

from monai_diffdenoise.data.dicom_attributes import Attributes
from monai_diffdenoise.data.dicom_files import DicomFile
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.errors import InputError

__all__ = ["is_mosaic", "mosaic_slices"]


def is_mosaic(header: Dataset) -> bool:
    """Whether an image is a Siemens mosaic."""
    return "MOSAIC" in Attributes("", header).texts("ImageType") and "PerFrameFunctionalGroupsSequence" not in header


def mosaic_slices(file: DicomFile) -> list[Slice]:
    """Refuse a mosaic."""
    raise InputError("a Siemens mosaic (many slices tiled in one picture), which is not read yet")

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Items of DICOM sequences that say what a derived image comes from, and how."""

from __future__ import annotations

from pydicom.dataset import Dataset

from monai_diffdenoise.data.dicom_slice import Slice

__all__ = ["code", "smoothing", "source_image"]


def code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    """Item of a code sequence.

    Args:
        value: Code Value, at most 16 characters.
        meaning: Code Meaning.
        scheme: Coding Scheme Designator.
    """
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def smoothing() -> Dataset:
    """The derivation code of denoising.

    CID 7203, which Derivation Code Sequence draws on, knows no code for noise reduction. Smoothing is its nearest one;
    110001 (Image Processing) belongs to CID 9231, the work items of a worklist. The description says the rest.
    """
    return code("113087", "Smoothing")


def source_image(item: Slice, frame: int | None = None) -> Dataset:
    """Item of Source Image Sequence.

    Args:
        item: a slice of the source object.
        frame: index of the frame that is meant; None for the whole object.
    """
    origin = Dataset()
    origin.ReferencedSOPClassUID, origin.ReferencedSOPInstanceUID = item.sop_class, item.sop_instance
    if frame is not None:
        origin.ReferencedFrameNumber = frame + 1
    origin.SpatialLocationsPreserved = "YES"
    origin.PurposeOfReferenceCodeSequence = [code("121322", "Source image for image processing operation")]
    return origin

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The frames of one DICOM object with functional groups: enhanced CT, MR and PET, 3-D ultrasound, tomosynthesis, ...

What a classic file says at its top level stands in sequences here, once for all frames or once per frame. A frame is
looked at as if it were a classic image: the same keywords, found where they now are.
"""

from __future__ import annotations

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset

from monai_diffdenoise.data.dicom_attributes import Attributes
from monai_diffdenoise.data.dicom_files import DicomFile, read_dataset
from monai_diffdenoise.data.dicom_slice import Slice, parse_image
from monai_diffdenoise.data.dicom_unfit import CutOffError
from monai_diffdenoise.errors import InputError

__all__ = ["frame_slices", "read_groups"]

_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
# Keyword of a classic image -> where it may stand: the sequence, and the keyword there.
_MEASURES, _TRANSFORM, _CONTENT = "PixelMeasuresSequence", "PixelValueTransformationSequence", "FrameContentSequence"
_TYPES = (
    "MRImageFrameTypeSequence",
    "CTImageFrameTypeSequence",
    "PETFrameTypeSequence",
    "XRay3DFrameTypeSequence",
    "USImageDescriptionSequence",
)
_PLACES: dict[str, tuple[tuple[str, str], ...]] = {
    "ImagePositionPatient": (
        ("PlanePositionSequence", "ImagePositionPatient"),
        ("PlanePositionVolumeSequence", "ImagePositionVolume"),
    ),
    "ImageOrientationPatient": (
        ("PlaneOrientationSequence", "ImageOrientationPatient"),
        ("PlaneOrientationVolumeSequence", "ImageOrientationVolume"),
    ),
    "PixelSpacing": ((_MEASURES, "PixelSpacing"),),
    "SliceThickness": ((_MEASURES, "SliceThickness"),),
    "SpacingBetweenSlices": ((_MEASURES, "SpacingBetweenSlices"),),
    "RescaleSlope": ((_TRANSFORM, "RescaleSlope"),),
    "RescaleIntercept": ((_TRANSFORM, "RescaleIntercept"),),
    "RescaleType": ((_TRANSFORM, "RescaleType"),),
    "StackID": ((_CONTENT, "StackID"),),
    "TemporalPositionIdentifier": ((_CONTENT, "TemporalPositionIndex"),),
    "AcquisitionNumber": ((_CONTENT, "FrameAcquisitionNumber"),),
    "AcquisitionDateTime": ((_CONTENT, "FrameAcquisitionDateTime"), (_CONTENT, "FrameReferenceDateTime")),
    "TriggerTime": (("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),),
    "NominalPercentageOfCardiacPhase": (("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase"),),
    "ImageType": tuple((sequence, "FrameType") for sequence in _TYPES),
    "ComplexImageComponent": (("MRImageFrameTypeSequence", "ComplexImageComponent"),),
    "AcquisitionContrast": (("MRImageFrameTypeSequence", "AcquisitionContrast"),),
    "EchoTime": (("MREchoSequence", "EffectiveEchoTime"),),
    "EchoNumbers": (("MREchoSequence", "EchoNumbers"),),
    "MetaboliteMapDescription": (("MRMetaboliteMapSequence", "MetaboliteMapDescription"),),
    "DiffusionBValue": (("MRDiffusionSequence", "DiffusionBValue"),),
    "DiffusionDirectionality": (("MRDiffusionSequence", "DiffusionDirectionality"),),
    "ConvolutionKernel": (("CTReconstructionSequence", "ConvolutionKernel"),),
    "KVP": (("CTXRayDetailsSequence", "KVP"),),
    "DataType": (("ImageDataTypeSequence", "DataType"),),
}
# Converted objects keep here, item by item, what has no place elsewhere.
_UNASSIGNED_SHARED = "UnassignedSharedConvertedAttributesSequence"
_UNASSIGNED_FRAME = "UnassignedPerFrameConvertedAttributesSequence"
# The top level would give all frames one place and one weighting, where each has its own or none.
_NOT_AT_THE_TOP = frozenset({"ImagePositionPatient", "DiffusionBValue", "DiffusionGradientOrientation"})


def read_groups(file: DicomFile) -> FileDataset | None:
    """Read the header of a file with its functional groups.

    Returns:
        the header; None if the file describes no frame.

    Raises:
        InputError: the file cannot be read again.
    """
    file.fingerprint.check("a file of the series")
    header = read_dataset(file.path, header_only=True, more=(_SHARED, _PER_FRAME))
    if header is None:
        raise InputError("a file of the series cannot be read again: expected the same files until the end")
    return header if _PER_FRAME in header else None


def frame_slices(file: DicomFile, top: Attributes, header: Dataset, frames: int) -> list[Slice]:
    """The frames of one object.

    Args:
        file: the file, checked.
        top: the attributes at its top level.
        header: what :func:`read_groups` gave.
        frames: how many frames the file declares.

    Raises:
        InputError: groups for another number of frames, or damaged attributes.
    """
    try:
        shared = next(iter(header.get(_SHARED) or []), Dataset())
        own = list(header[_PER_FRAME].value or [])
    except Exception as error:  # pydicom raises many types for damaged sequences
        raise CutOffError(f"{top.label} is cut off or damaged: its functional groups cannot be read") from error
    if len(own) != frames:
        raise InputError(
            f"{top.label} declares {frames} frames but describes {len(own)}: expected functional groups for each"
        )
    number = top.text("InstanceNumber")[:16]
    where = f" of instance number {number}" if number else ""
    common = _Group(shared, _UNASSIGNED_SHARED)
    return [
        parse_image(_Frame(f"frame {index + 1}{where}", _Group(group, _UNASSIGNED_FRAME), common, top), file, index)
        for index, group in enumerate(own)
    ]


class _Group(Attributes):
    """One functional groups item, asked by the keywords of classic images."""

    def __init__(self, group: Dataset, unassigned: str) -> None:
        super().__init__("", group)
        self._group, self._unassigned = group, unassigned

    def _find(self, keyword: str | int) -> DataElement | None:
        if keyword == "DiffusionGradientOrientation":
            directions = self._inside("MRDiffusionSequence", "DiffusionGradientDirectionSequence")
            found = directions.value[0] if directions is not None and directions.value else Dataset()
            return found[keyword] if keyword in found else None  # noqa: SIM401 - elements, not values
        places = _PLACES.get(str(keyword), ())
        for sequence, there in (*places, (self._unassigned, str(keyword))) if places else ():
            element = self._inside(sequence, there)
            if element is not None:
                return element
        return None

    def _inside(self, sequence: str, keyword: str) -> DataElement | None:
        if sequence not in self._group:
            return None
        items = self._group[sequence].value
        return items[0][keyword] if items and keyword in items[0] else None


class _Frame(Attributes):
    """A frame as if it were a classic image."""

    def __init__(self, label: str, own: _Group, shared: _Group, top: Attributes) -> None:
        super().__init__(label)
        self._own, self._shared, self._top = own, shared, top

    def _find(self, keyword: str | int) -> DataElement | None:
        for group in (self._own, self._shared):
            element = group.element(keyword)
            if element is not None:
                return element
        return None if keyword in _NOT_AT_THE_TOP else self._top.element(keyword)

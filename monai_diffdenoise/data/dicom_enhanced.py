# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The frames of one DICOM object with functional groups: enhanced CT, MR and PET, 3-D ultrasound, tomosynthesis, ...

What a classic file says at its top level stands in sequences here, once for all frames or once per frame. A frame is
looked at as if it were a classic image: the same keywords, found where they now are.
"""

from __future__ import annotations

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

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
_DIRECTION = "DiffusionGradientDirectionSequence"
# Converted objects keep here, item by item, what has no place elsewhere.
_UNASSIGNED = {
    _SHARED: "UnassignedSharedConvertedAttributesSequence",
    _PER_FRAME: "UnassignedPerFrameConvertedAttributesSequence",
}
# The top level would give all frames one place and one weighting, where each has its own or none.
_OWN = frozenset({"ImagePositionPatient", "DiffusionBValue"})


def read_groups(file: DicomFile) -> list[Dataset] | None:
    """Read the functional groups of a file.

    Returns:
        the shared groups, then the groups of each frame; None if the file has none per frame.

    Raises:
        InputError: the file cannot be read again.
    """
    dataset = read_dataset(file.path, header_only=True, more=(_SHARED, _PER_FRAME))
    if dataset is None:
        raise InputError("a file of the series cannot be read again: expected the same files until the end")
    if _PER_FRAME not in dataset:
        return None
    try:
        shared = list(dataset.get(_SHARED) or [])[:1] or [Dataset()]
        return shared + list(dataset[_PER_FRAME].value or [])
    except Exception as error:  # pydicom raises many types for damaged sequences
        raise CutOffError("a file with functional groups is cut off or damaged: its groups cannot be read") from error


def frame_slices(file: DicomFile, top: Attributes, groups: list[Dataset], frames: int) -> list[Slice]:
    """The frames of one object.

    Args:
        file: the file, checked.
        top: the attributes at its top level.
        groups: what :func:`read_groups` gave.
        frames: how many frames the file declares.

    Raises:
        InputError: groups for another number of frames, or damaged attributes.
    """
    shared, *own = groups
    if len(own) != frames:
        raise InputError(
            f"{top.label} declares {frames} frames but describes {len(own)}: expected functional groups for each"
        )
    number = top.text("InstanceNumber")[:16]
    where = f" of instance number {number}" if number else ""
    return [
        parse_image(_Frame(f"frame {index + 1}{where}", group, shared, top), file, index)
        for index, group in enumerate(own)
    ]


class _Frame(Attributes):
    """A frame as if it were a classic image."""

    def __init__(self, label: str, group: Dataset, shared: Dataset, top: Attributes) -> None:
        super().__init__(label)
        self._groups = {_PER_FRAME: group, _SHARED: shared}
        self._top = top

    def element(self, keyword: str | int) -> DataElement | None:
        if keyword == "DiffusionGradientOrientation":
            return self._gradient()
        places = _PLACES.get(keyword, ()) if isinstance(keyword, str) else ()
        for name, group in self._groups.items():
            for sequence, there in places:
                found = _inside(group, sequence, there)
                if found is not None:
                    return found
            if places:
                found = _inside(group, _UNASSIGNED[name], str(keyword))
                if found is not None:
                    return found
        return None if keyword in _OWN else self._top.element(keyword)

    def _gradient(self) -> DataElement | None:
        for group in self._groups.values():
            found = _inside(group, "MRDiffusionSequence", _DIRECTION)
            if found is not None and found.value and "DiffusionGradientOrientation" in found.value[0]:
                return found.value[0]["DiffusionGradientOrientation"]
        return None


def _inside(group: Dataset, sequence: str, keyword: str) -> DataElement | None:
    if sequence not in group:
        return None
    items = group[sequence].value
    return items[0][keyword] if items and keyword in items[0] else None

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What tells the images of one series apart: their kind, which must never be mixed, and their moment in time.

Magnitude and phase, two echoes, two kernels are kinds: another stack. Repeats, cardiac phases, diffusion weightings of
one and the same slices are moments: time points of one stack.
"""

from __future__ import annotations

from typing import NamedTuple

from pydicom.uid import UID

from monai_diffdenoise.data.dicom_attributes import Attributes

__all__ = ["KIND_TAGS", "Moment", "kind_of", "moment_of"]

# GE says here only whether an image is magnitude (0), phase (1), real (2) or imaginary (3).
_GE_CREATOR, _GE_COMPONENT = 0x00430010, 0x0043102F
_GE_NAMES = {0: "MAGNITUDE", 1: "PHASE", 2: "REAL", 3: "IMAGINARY"}
# Name in messages -> attribute. EchoTime of functional groups is EffectiveEchoTime there.
_KINDS = {
    "series number": "SeriesNumber",
    "component": "ComplexImageComponent",
    "echo number": "EchoNumbers",
    "contrast": "AcquisitionContrast",
    "metabolite": "MetaboliteMapDescription",
    "data type": "DataType",
    "kernel": "ConvolutionKernel",
    "kVp": "KVP",
    "units": "RescaleType",
    "stack id": "StackID",
    "photometric": "PhotometricInterpretation",
}
_UIDS = {"study": "StudyInstanceUID", "frame of reference": "FrameOfReferenceUID"}
_SHOWN_DIGITS = 6

KIND_TAGS: list[str | int] = [
    *_KINDS.values(),
    *_UIDS.values(),
    "EchoTime",
    "AcquisitionNumber",
    "AcquisitionDate",
    "AcquisitionTime",
    "AcquisitionDateTime",
    "TemporalPositionIdentifier",
    "TriggerTime",
    "NominalPercentageOfCardiacPhase",
    "FrameReferenceTime",
    "DiffusionBValue",
    "DiffusionDirectionality",
    "DiffusionGradientOrientation",
    _GE_CREATOR,
    _GE_COMPONENT,
]
"""Attributes that are read here, beside those of every image."""

_NEVER = float("-inf")


class Moment(NamedTuple):
    """When one image of a stack was taken, as numbers to sort by; minus infinity where the file says nothing."""

    temporal: float = _NEVER
    acquisition: float = _NEVER
    seconds: float = _NEVER
    trigger: float = _NEVER
    b_value: float = _NEVER
    instance: float = _NEVER
    frame: float = _NEVER
    gradient_x: float = _NEVER
    gradient_y: float = _NEVER
    gradient_z: float = _NEVER


def kind_of(image: Attributes) -> tuple[tuple[str, str], ...]:
    """What tells stacks apart beyond size and orientation: (name, value) pairs, values short and without patient data.

    Only pairs that the file gives. The first two values of Image Type (ORIGINAL or DERIVED, PRIMARY or SECONDARY) tell
    nothing that matters here.
    """
    pairs = {name: image.shown(keyword) for name, keyword in _KINDS.items()}
    pairs["class"] = UID(image.text("SOPClassUID")).name.removesuffix(" Storage")
    # Frame Type is this for a frame of a file with functional groups.
    pairs["type"] = image.shown("ImageType", start=2)
    echo = image.number("EchoTime")
    if echo is not None:
        pairs["echo time"] = f"{echo:.5g} ms"
    if not pairs["component"]:
        pairs["component"] = _ge_component(image)
    pairs["diffusion"] = image.shown("DiffusionDirectionality")
    for name, keyword in _UIDS.items():
        pairs[name] = image.text(keyword)[-_SHOWN_DIGITS:]
    return tuple(sorted((name, value) for name, value in pairs.items() if value))


def moment_of(image: Attributes, frame: int | None = None) -> Moment:
    """The sort key of an image among those at its position.

    Args:
        image: its attributes.
        frame: index in its file, if it is one of several.
    """

    def number(*keywords: str) -> float:
        found = (image.number(keyword) for keyword in keywords)
        return next((value for value in found if value is not None), _NEVER)

    seconds = image.seconds("AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime")
    gradient = image.texts("DiffusionGradientOrientation")
    try:
        x, y, z = (float(value) for value in gradient)
    except ValueError:
        x = y = z = _NEVER
    return Moment(
        temporal=number("TemporalPositionIdentifier"),
        acquisition=number("AcquisitionNumber"),
        seconds=_NEVER if seconds is None else seconds,
        trigger=number("TriggerTime", "NominalPercentageOfCardiacPhase", "FrameReferenceTime"),
        b_value=number("DiffusionBValue"),
        instance=number("InstanceNumber"),
        frame=_NEVER if frame is None else frame,
        gradient_x=x,
        gradient_y=y,
        gradient_z=z,
    )


def _ge_component(image: Attributes) -> str:
    if not image.text(_GE_CREATOR).startswith("GEMS_PARM_01"):
        return ""
    value = image.value(_GE_COMPONENT)
    if isinstance(value, bytes):
        # An implicit file says no representation: two bytes, little-endian.
        value = int.from_bytes(value[:2], "little")
    try:
        return _GE_NAMES.get(int(value), "")
    except (TypeError, ValueError):
        return ""

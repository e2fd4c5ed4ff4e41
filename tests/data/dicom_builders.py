# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""DICOM objects of many frames, made on the spot. Not a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    ExplicitVRLittleEndian,
    UltrasoundMultiFrameImageStorage,
)

STUDY = "1.2.826.0.1.3680043.8.498.1"
CLASSES = {"CT": EnhancedCTImageStorage, "MR": EnhancedMRImageStorage, "PT": EnhancedPETImageStorage}
# What a frame may say -> the functional group it belongs to, and its name there.
PLACES = {
    "position": ("PlanePositionSequence", "ImagePositionPatient"),
    "orientation": ("PlaneOrientationSequence", "ImageOrientationPatient"),
    "spacing": ("PixelMeasuresSequence", "PixelSpacing"),
    "thickness": ("PixelMeasuresSequence", "SliceThickness"),
    "slope": ("PixelValueTransformationSequence", "RescaleSlope"),
    "inter": ("PixelValueTransformationSequence", "RescaleIntercept"),
    "units": ("PixelValueTransformationSequence", "RescaleType"),
    "stack": ("FrameContentSequence", "StackID"),
    "temporal": ("FrameContentSequence", "TemporalPositionIndex"),
    "acquired": ("FrameContentSequence", "FrameAcquisitionDateTime"),
    "trigger": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    "type": ("MRImageFrameTypeSequence", "FrameType"),
    "ct_type": ("CTImageFrameTypeSequence", "FrameType"),
    "component": ("MRImageFrameTypeSequence", "ComplexImageComponent"),
    "contrast": ("MRImageFrameTypeSequence", "AcquisitionContrast"),
    "echo": ("MREchoSequence", "EffectiveEchoTime"),
    "b_value": ("MRDiffusionSequence", "DiffusionBValue"),
    "direction": ("MRDiffusionSequence", "DiffusionDirectionality"),
    "gradient": ("MRDiffusionSequence", "DiffusionGradientOrientation"),
    "kernel": ("CTReconstructionSequence", "ConvolutionKernel"),
}
SHARED: dict[str, Any] = {"orientation": [1, 0, 0, 0, 1, 0], "spacing": [0.5, 0.75], "thickness": 2.5}


def group_of(facts: Mapping[str, Any]) -> Dataset:
    """A functional groups item that says these facts."""
    group = Dataset()
    for name, value in facts.items():
        sequence, keyword = PLACES[name]
        if sequence not in group:
            setattr(group, sequence, [Dataset()])
        home = group[sequence].value[0]
        if name == "gradient":
            home.DiffusionGradientDirectionSequence = [Dataset()]
            home = home.DiffusionGradientDirectionSequence[0]
        setattr(home, keyword, value)
    return group


def base_of(sop_class: str, modality: str, pixels: np.ndarray, number: int) -> Dataset:
    """What all objects of many frames have: identity and pixels (frames, rows, columns)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = sop_class, f"{STUDY}.8.{number}", modality
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY, f"{STUDY}.6", f"{STUDY}.9"
    ds.SeriesNumber, ds.InstanceNumber, ds.PatientName, ds.PatientID = 4, number, "Doe^Jane", "4711"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "MIXED"]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.NumberOfFrames, ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = ds.BitsAllocated, ds.BitsAllocated - 1, 0
    ds.add_new("PixelData", "OW", np.ascontiguousarray(pixels).tobytes())
    return ds


def enhanced(
    frames: Sequence[Mapping[str, Any]],
    *,
    modality: str = "MR",
    shape: tuple[int, int] = (6, 8),
    shared: Mapping[str, Any] | None = None,
    number: int = 1,
    seed: int = 0,
) -> Dataset:
    """An enhanced object of random pixels; each frame says the facts of :data:`PLACES` that are given for it."""
    pixels = np.random.default_rng(seed).integers(0, 4000, (len(frames), *shape)).astype(np.uint16)
    ds = base_of(CLASSES[modality], modality, pixels, number)
    ds.SharedFunctionalGroupsSequence = [group_of(SHARED if shared is None else shared)]
    ds.PerFrameFunctionalGroupsSequence = [group_of(facts) for facts in frames]
    return ds


def clip(count: int = 5, *, sop_class: str = UltrasoundMultiFrameImageStorage, number: int = 1) -> Dataset:
    """Frames without functional groups: an ultrasound clip of bytes."""
    pixels = np.random.default_rng(number).integers(0, 255, (count, 6, 8)).astype(np.uint8)
    return base_of(sop_class, "US", pixels, number)


def grid(slices: int, times: int = 1, **facts: Any) -> list[dict[str, Any]]:
    """Facts of the frames of a volume, the slices of a time point one behind the other."""
    return [
        {"position": [-5, -6, 2.5 * z], **({"temporal": t + 1} if times > 1 else {}), **facts}
        for t in range(times)
        for z in range(slices)
    ]


def save(ds: Dataset, path: Path) -> Path:
    """Write a file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path

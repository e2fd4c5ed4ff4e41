# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""DICOM objects of many frames made on the spot, and sources that say by hand how they lie in files."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage, UltrasoundMultiFrameImageStorage

from monai_diffdenoise.data.dicom_files import DicomFile
from monai_diffdenoise.data.dicom_read import DicomSource
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.data.encoding import Block
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.volume import Volume, assemble
from tests.conftest import STUDY, dicom_slice

Edit = Callable[[Dataset], Any]


class HandSource(DicomSource):
    """A source whose slices are frames or tiles, decoded here and not by the package."""

    def block(self, time: int, position: int, dataset: FileDataset | None = None) -> Block:
        item = self.slices[time][position]
        dataset = dataset if dataset is not None else self.dataset(item)
        frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
        row, column = item.tile or (0, 0)
        stored = frames[item.frame, row : row + item.rows, column : column + item.columns].T[None, :, :, None]
        where = (slice(time, time + 1), slice(None), slice(None), slice(position, position + 1))
        return Block(where, stored.astype(item.dtype), item.slope, item.inter, item.limits)


def hand_volume(path: Path, slices: Sequence[Sequence[Slice]], layout: Any) -> Volume:
    """A volume of slices[time][position] that were described by hand."""
    source = HandSource(path, tuple(tuple(stack) for stack in slices), layout)
    first = slices[0][0]
    affine = np.diag([-0.75, -0.5, 3.0, 1.0])
    shape = (len(slices), first.columns, first.rows, len(slices[0]))
    return assemble(source, shape, affine, (0.75, 0.5, 3.0), 2)


def describe(path: Path, **changes: Any) -> Slice:
    """The slice that the first frame of a file would be."""
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
    base = Slice(
        fingerprint=DicomFile(Fingerprint.of(path), dataset).fingerprint,
        label="frame 1",
        sop_class=str(dataset.SOPClassUID),
        sop_instance=str(dataset.SOPInstanceUID),
        study=str(dataset.StudyInstanceUID),
        series=str(dataset.SeriesInstanceUID),
        syntax=dataset.file_meta.TransferSyntaxUID,
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        dtype=np.dtype(f"{'i' if signed else 'u'}{int(dataset.BitsAllocated) // 8}"),
        limits=(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1),
        slope=1.0,
        inter=0.0,
        padding=None,
        spacing=(0.5, 0.75),
        thickness=3.0,
        orientation=np.array([1.0, 0, 0, 0, 1, 0]),
        position=np.zeros(3),
    )
    return replace(base, **changes)


def item(**values: Any) -> Dataset:
    """A dataset of these attributes."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def enhanced_frames(path: Path) -> list[Slice]:
    """Every frame of an enhanced object as a slice, in the order of the file."""
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    found = []
    for index, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        scale = group.PixelValueTransformationSequence[0]
        position = np.array([float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient])
        found.append(
            describe(
                path,
                label=f"frame {index + 1}",
                frame=index,
                slope=float(scale.RescaleSlope),
                inter=float(scale.RescaleIntercept),
                position=position,
            )
        )
    return found


def make_enhanced(
    path: Path, modality: str = "MR", times: int = 2, positions: int = 3, edit: Edit | None = None
) -> Path:
    """An enhanced MR or CT object; MR frames alternate between magnitude and phase, times between the positions.

    Frame order: component, then position from the last to the first, then time. 8 columns, 6 rows, 12 bits.
    """
    components = ("MAGNITUDE", "PHASE") if modality == "MR" else ("",)
    keys = [(c, p, t) for c in range(len(components)) for p in reversed(range(positions)) for t in range(times)]
    rng = np.random.default_rng(0)
    pixels = rng.integers(100, 3000, (len(keys), 6, 8)).astype(np.uint16)
    ds = dicom_slice(modality, pixels[0], (0.0, 0.0, 0.0), 0)
    for keyword in (
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "WindowCenter"),
        *("WindowWidth", "RescaleSlope", "RescaleIntercept", "RescaleType", "KVP", "ScanningSequence"),
        *("SequenceVariant", "ScanOptions", "RepetitionTime", "EchoTime", "EchoTrainLength"),
        *("AcquisitionDate", "AcquisitionTime", "SmallestImagePixelValue", "LargestImagePixelValue"),
    ):
        if keyword in ds:
            del ds[keyword]
    ds.SOPClassUID = EnhancedMRImageStorage if modality == "MR" else EnhancedCTImageStorage
    ds.NumberOfFrames, ds.InstanceNumber = len(keys), 1
    ds.AcquisitionDateTime, ds.AcquisitionDuration = "20200102101112", 60.0
    ds.DeviceSerialNumber, ds.SoftwareVersions, ds.ManufacturerModelName = "1", "v1", "Model"
    ds.ContentQualification, ds.PresentationLUTShape, ds.BurnedInAnnotation = "PRODUCT", "IDENTITY", "NO"
    ds.LossyImageCompression, ds.AcquisitionContextSequence = "00", []
    ds.PixelPresentation, ds.VolumetricProperties, ds.VolumeBasedCalculationTechnique = "MONOCHROME", "VOLUME", "NONE"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if modality == "CT" else "OTHER", "NONE"]
    organization = f"{STUDY}.11"
    ds.DimensionOrganizationSequence = [item(DimensionOrganizationUID=organization)]
    pointers = [(0x00209056, 0x00209111), (0x00209057, 0x00209111), (0x00209128, 0x00209111)]
    ds.DimensionIndexSequence = [
        item(DimensionOrganizationUID=organization, DimensionIndexPointer=at, FunctionalGroupPointer=group)
        for at, group in pointers
    ]
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=["0.5", "0.75"], SliceThickness="3", SpacingBetweenSlices="3")],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        FrameVOILUTSequence=[item(WindowCenter="40", WindowWidth="400")],
        FrameAnatomySequence=[item(FrameLaterality="U", AnatomicRegionSequence=[code("69536005", "Head", "SCT")])],
    )
    (_mr_shared if modality == "MR" else _ct_shared)(ds, shared)
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = [_frame(modality, components, *key) for key in keys]
    ds.PixelData = pixels.tobytes()
    if edit is not None:
        edit(ds)
    ds.save_as(path, enforce_file_format=True)
    return path


def _frame(modality: str, components: Sequence[str], component: int, position: int, time: int) -> Dataset:
    contents = item(
        FrameReferenceDateTime="20200102101112",
        FrameAcquisitionDateTime="20200102101112",
        FrameAcquisitionDuration=1.0,
        StackID=str(component + 1),
        InStackPositionNumber=position + 1,
        TemporalPositionIndex=time + 1,
        DimensionIndexValues=[component + 1, position + 1, time + 1],
    )
    scale = item(
        RescaleSlope="0.5" if component else "1",
        RescaleIntercept="-1024" if modality == "CT" else str(-10 * position),
        RescaleType="HU" if modality == "CT" else "US",
    )
    group = item(
        FrameContentSequence=[contents],
        PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 3 * position])],
        PixelValueTransformationSequence=[scale],
    )
    kind = item(PixelPresentation="MONOCHROME", VolumetricProperties="VOLUME", VolumeBasedCalculationTechnique="NONE")
    kind.FrameType = ["ORIGINAL", "PRIMARY", "AXIAL" if modality == "CT" else "OTHER", "NONE"]
    if modality == "MR":
        kind.ComplexImageComponent, kind.AcquisitionContrast = components[component], "T1"
        group.MRImageFrameTypeSequence = [kind]
    else:
        group.CTImageFrameTypeSequence = [kind]
    return group


def _mr_shared(ds: Dataset, shared: Dataset) -> None:
    ds.ComplexImageComponent, ds.AcquisitionContrast = "MIXED", "T1"
    ds.ResonantNucleus, ds.MagneticFieldStrength, ds.KSpaceFiltering = "1H", "3", "NONE"
    ds.ApplicableSafetyStandardAgency, ds.MRAcquisitionType, ds.PulseSequenceName = "IEC", "2D", "se"
    ds.EchoPulseSequence, ds.MultipleSpinEcho, ds.MultiPlanarExcitation, ds.PhaseContrast = "SPIN", "NO", "NO", "NO"
    ds.TimeOfFlightContrast = "NO"
    ds.SteadyStatePulseSequence, ds.EchoPlanarPulseSequence, ds.SaturationRecovery = "NONE", "NO", "NO"
    ds.SpectrallySelectedSuppression, ds.OversamplingPhase, ds.RectilinearPhaseEncodeReordering = (
        "NONE",
        "NONE",
        "LINEAR",
    )
    ds.GeometryOfKSpaceTraversal, ds.SegmentedKSpaceTraversal, ds.NumberOfKSpaceTrajectories = (
        "RECTILINEAR",
        "SINGLE",
        1,
    )
    timing = item(
        RepetitionTime="500", FlipAngle="90", EchoTrainLength="1", RFEchoTrainLength=1, GradientEchoTrainLength=0
    )
    timing.SpecificAbsorptionRateSequence = [
        item(SpecificAbsorptionRateDefinition="IEC_WHOLE_BODY", SpecificAbsorptionRateValue=1.0)
    ]
    timing.GradientOutputType, timing.GradientOutput = "DB_DT", 1.0
    timing.OperatingModeSequence = [
        item(OperatingModeType=kind, OperatingMode="IEC_NORMAL") for kind in ("STATIC FIELD", "RF", "GRADIENT")
    ]
    shared.MRTimingAndRelatedParametersSequence = [timing]
    shared.MRFOVGeometrySequence = [
        item(
            InPlanePhaseEncodingDirection="ROW",
            MRAcquisitionFrequencyEncodingSteps=8,
            MRAcquisitionPhaseEncodingStepsInPlane=6,
            PercentSampling="100",
            PercentPhaseFieldOfView="100",
        )
    ]
    shared.MREchoSequence = [item(EffectiveEchoTime=20.0)]
    shared.MRModifierSequence = [
        item(
            InversionRecovery="NO",
            FlowCompensation="NONE",
            Spoiling="NONE",
            T2Preparation="NO",
            SpectrallySelectedExcitation="NONE",
            SpatialPresaturation="NONE",
            PartialFourier="NO",
            ParallelAcquisition="NO",
        )
    ]
    shared.MRReceiveCoilSequence = [
        item(
            ReceiveCoilName="Head", ReceiveCoilManufacturerName="", ReceiveCoilType="HEAD", QuadratureReceiveCoil="YES"
        )
    ]
    shared.MRTransmitCoilSequence = [
        item(TransmitCoilName="Body", TransmitCoilManufacturerName="", TransmitCoilType="BODY")
    ]
    shared.MRImagingModifierSequence = [
        item(
            MagnetizationTransfer="NONE",
            BloodSignalNulling="NO",
            Tagging="NONE",
            TransmitterFrequency=123.0,
            PixelBandwidth="200",
        )
    ]
    shared.MRAveragesSequence = [item(NumberOfAverages="1")]


def _ct_shared(ds: Dataset, shared: Dataset) -> None:
    ds.MultienergyCTAcquisition = "NO"
    shared.CTAcquisitionTypeSequence = [
        item(AcquisitionType="SEQUENCED", ConstantVolumeFlag="NO", FluoroscopyFlag="NO")
    ]
    shared.CTAcquisitionDetailsSequence = [
        item(
            RotationDirection="CW",
            RevolutionTime=1.0,
            SingleCollimationWidth=1.0,
            TotalCollimationWidth=10.0,
            TableHeight="0",
            GantryDetectorTilt="0",
            DataCollectionDiameter="500",
        )
    ]
    shared.CTTableDynamicsSequence = [item(TableSpeed=1.0, TableFeedPerRotation=1.0, SpiralPitchFactor=1.0)]
    shared.CTPositionSequence = [
        item(
            TablePosition=0.0,
            DataCollectionCenterPatient=[0.0, 0.0, 0.0],
            ReconstructionTargetCenterPatient=[0.0, 0.0, 0.0],
        )
    ]
    shared.CTGeometrySequence = [item(DistanceSourceToDetector="1000", DistanceSourceToDataCollectionCenter=500.0)]
    shared.CTReconstructionSequence = [
        item(
            ReconstructionAlgorithm="FILTER_BACK_PROJ",
            ConvolutionKernel="B30",
            ConvolutionKernelGroup="SOFT_TISSUE",
            ReconstructionDiameter="250",
            ReconstructionPixelSpacing=[0.5, 0.75],
            ReconstructionAngle=360.0,
            ImageFilter="NONE",
        )
    ]
    shared.CTExposureSequence = [
        item(
            ExposureTimeInms=1000.0,
            XRayTubeCurrentInmA=100.0,
            ExposureInmAs=100.0,
            ExposureModulationType="NONE",
            CTDIvol=5.0,
        )
    ]
    shared.CTXRayDetailsSequence = [item(KVP="120", FocalSpots=["1"], FilterType="NONE", FilterMaterial="ALUMINUM")]
    shared.IrradiationEventIdentificationSequence = [item(IrradiationEventUID=f"{STUDY}.12")]


def make_cine(path: Path, frames: int = 5, edit: Edit | None = None) -> Path:
    """A gray ultrasound cine: frames without groups, 8 columns, 6 rows, 8 bits."""
    pixels = np.random.default_rng(1).integers(10, 240, (frames, 6, 8)).astype(np.uint8)
    ds = dicom_slice("MR", pixels[0].astype(np.uint16), (0.0, 0.0, 0.0), 0)
    for keyword in (
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "FrameOfReferenceUID"),
        *("PositionReferenceIndicator", "ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType"),
        *("RepetitionTime", "EchoTime", "EchoTrainLength"),
    ):
        del ds[keyword]
    ds.SOPClassUID, ds.Modality, ds.ImageType = (
        UltrasoundMultiFrameImageStorage,
        "US",
        ["ORIGINAL", "PRIMARY", "", "0001"],
    )
    ds.NumberOfFrames, ds.FrameTime, ds.FrameIncrementPointer = frames, "40", 0x00181063
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PatientOrientation = 8, 8, 7, ""
    ds.LossyImageCompression = "00"
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OB"
    if edit is not None:
        edit(ds)
    ds.save_as(path, enforce_file_format=True)
    return path


def csa_header(entries: dict[str, Sequence[str]]) -> bytes:
    """Siemens' format of named values: name, multiplicity, VR, items of a length and a text each."""
    raw = b"SV10\4\3\2\1" + struct.pack("<2I", len(entries), 77)
    for name, values in entries.items():
        items = max(6, len(values))
        vr = b"LO" if any(" " in value for value in values) else b"FD"
        raw += struct.pack("<64si4siii", name.encode(), len(values), vr, 6, items, 77)
        for index in range(items):
            text = values[index].encode() + b"\0" if index < len(values) else b""
            size = len(text)
            raw += struct.pack("<4i", size, size, 77, size) + text + b"\0" * (-size % 4)
    return raw + b"\0" * 4


CSA_SOURCE: dict[str, Sequence[str]] = {
    "UsedChannelMask": ["4095"],
    "PatientsOwnWords": ["my name is Doe"],
    "NumberOfImagesInMosaic": ["5"],
    "SliceNormalVector": ["0.00000000", "0.00000000", "1.00000000"],
    "MosaicRefAcqTimes": [f"{12.5 * k:.8f}" for k in range(5)],
}


def make_mosaic(folder: Path, times: int = 2, edit: Edit | None = None) -> list[Path]:
    """Siemens mosaics of 5 tiles of 4 x 6 pixels (rows x columns) in 3 x 3 places, one file per time point."""
    paths = []
    for time in range(times):
        pixels = np.random.default_rng(time).integers(100, 3000, (12, 18)).astype(np.uint16)
        ds = dicom_slice("MR", pixels, (-50.0, -40.0, 0.0), time)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
        ds.SpacingBetweenSlices = "3"
        ds.add_new((0x0019, 0x0010), "LO", "SIEMENS MR HEADER")
        ds.add_new((0x0019, 0x100A), "US", 5)
        ds.add_new((0x0019, 0x1008), "CS", "IMAGE NUM 4")
        ds.add_new((0x0029, 0x0011), "LO", "SIEMENS CSA HEADER")
        ds.add_new((0x0029, 0x1110), "OB", csa_header(CSA_SOURCE))
        ds.add_new((0x0029, 0x1120), "OB", csa_header({"MrPhoenixProtocol": ["Doe"]}))
        if edit is not None:
            edit(ds)
        folder.mkdir(exist_ok=True)
        paths.append(folder / f"mosaic{time}")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def mosaic_volume(paths: Sequence[Path]) -> Volume:
    """The volume of these mosaics, one time point each."""
    slices = [
        [
            describe(
                path,
                rows=4,
                columns=6,
                tile=(4 * (k // 3), 6 * (k % 3)),
                label=f"tile {k + 1}",
                position=np.array([0.0, 0.0, 3.0 * k]),
            )
            for k in range(5)
        ]
        for path in paths
    ]
    return hand_volume(paths[0].parent, slices, "mosaic")

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Kind by kind of classic image: what a derived series must not touch, to the byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    XRayAngiographicImageStorage,
)

from monai_diffdenoise.data import read_volume, write_volume
from tests.data.dicom_out_builders import code, item

# Replaced or added in every derived object.
NEW = {
    *("ImageType", "InstanceCreationDate", "InstanceCreationTime", "SOPInstanceUID", "ContentDate", "ContentTime"),
    *("SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "DerivationDescription", "DerivationCodeSequence"),
    *("SourceImageSequence", "ContributingEquipmentSequence", "PixelData"),
}
GONE = {"SmallestImagePixelValue", "LargestImagePixelValue"}
DRUG = item(
    Radiopharmaceutical="FDG",
    RadiopharmaceuticalStartTime="095000",
    RadionuclideTotalDose="350000000",
    RadionuclideHalfLife="6586.2",
    RadionuclidePositronFraction="0.97",
    RadiopharmaceuticalStartDateTime="20200102095000",
)
TABLE = item(LUTDescriptor=[4, 0, 16], LUTData=bytes(8), LUTExplanation="made up")
REGION = item(RegionSpatialFormat=1, RegionDataType=1, RegionFlags=0, PhysicalUnitsXDirection=3, PhysicalDeltaX=0.05)
XRAY: dict[str, Any] = {
    "PresentationLUTShape": "INVERSE",
    "PhotometricInterpretation": "MONOCHROME1",
    "PixelIntensityRelationship": "LOG",
    "PixelIntensityRelationshipSign": 1,
    "ImagerPixelSpacing": ["0.15", "0.15"],
    "BurnedInAnnotation": "NO",
    "LossyImageCompression": "00",
    "VOILUTSequence": [TABLE],
    "DetectorID": "D1",
    "ViewPosition": "AP",
    "ImageLaterality": "U",
    "ReferencedImageSequence": [item(ReferencedSOPClassUID="1.2.840.1", ReferencedSOPInstanceUID="1.2.3")],
}
CLASSES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "PT": (
        PositronEmissionTomographyImageStorage,
        "PT",
        {
            "Units": "BQML",
            "DecayCorrection": "START",
            "DecayFactor": "1.0234",
            "DoseCalibrationFactor": "1",
            "FrameReferenceTime": "300000",
            "ActualFrameDuration": "120000",
            "CorrectedImage": ["DECY", "ATTN", "SCAT"],
            "CountsSource": "EMISSION",
            "PatientWeight": "72.5",
            "PatientSize": "1.7",
            "RescaleSlope": "0.73512345678901",
            "RescaleIntercept": "0",
            "RadiopharmaceuticalInformationSequence": [DRUG],
            "SUVType": "BW",
            "ImageIndex": 3,
            "NumberOfSlices": 4,
            "SeriesType": ["STATIC", "IMAGE"],
        },
    ),
    "CR": (ComputedRadiographyImageStorage, "CR", {**XRAY, "PlateType": "ST", "Sensitivity": "200"}),
    "DX for presentation": (
        DigitalXRayImageStorageForPresentation,
        "DX",
        {**XRAY, "PresentationIntentType": "FOR PRESENTATION"},
    ),
    "DX for processing": (
        DigitalXRayImageStorageForProcessing,
        "DX",
        {**XRAY, "PresentationIntentType": "FOR PROCESSING", "PixelIntensityRelationship": "LIN"},
    ),
    "XA": (XRayAngiographicImageStorage, "XA", {"PositionerPrimaryAngle": "12.5", "RadiationSetting": "GR"}),
    "US": (
        UltrasoundImageStorage,
        "US",
        {"SequenceOfUltrasoundRegions": [REGION], "UltrasoundColorDataPresent": 0, "LossyImageCompression": "00"},
    ),
    "SC": (
        SecondaryCaptureImageStorage,
        "OT",
        {"ConversionType": "WSD", "DateOfSecondaryCapture": "20200103", "SecondaryCaptureDeviceID": "dev"},
    ),
    "MR with overlay and masks": (
        MRImageStorage,
        "MR",
        {
            "TemporalPositionIdentifier": 2,
            "DiffusionBValue": 1000.0,
            "DiffusionGradientOrientation": [1.0, 0.0, 0.0],
            "RealWorldValueMappingSequence": [item(RealWorldValueSlope=2.0, LUTLabel="x")],
            "ShutterShape": "CIRCULAR",
            "RequestAttributesSequence": [item(ScheduledProcedureStepID="7")],
            "ProcedureCodeSequence": [code("1", "x")],
            "OriginalAttributesSequence": [item(SourceOfPreviousValues="x")],
            "PatientIdentityRemoved": "YES",
            "DeidentificationMethodCodeSequence": [code("113100", "Basic Application Confidentiality Profile")],
        },
    ),
}


def raw(dataset: Dataset, keyword: str) -> Any:
    """The bytes of a value as they lie in the file; a sequence as pydicom understands it."""
    element = dataset.get_item(keyword)
    return element.value if isinstance(element, RawDataElement) and element.VR != "SQ" else dataset[keyword].value


@pytest.mark.parametrize("name", CLASSES)
def test_every_other_attribute_stays_to_the_byte(make_series, tmp_path, name):
    sop_class, modality, attributes = CLASSES[name]

    def edit(ds, index):
        ds.SOPClassUID, ds.Modality = sop_class, modality
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)

    volume = read_volume(make_series(modality="MR", slices=1, edit=edit))
    write_volume(volume.with_image(volume.image + 10 * volume.source.native.slope), tmp_path / "out")
    old = pydicom.dcmread(volume.source.all_slices[0].fingerprint.path)
    new = pydicom.dcmread(tmp_path / "out" / "IM0001.dcm")
    names = [{tag for tag in list(ds.keys()) if not tag.is_private} for ds in (old, new)]
    before, after = ({pydicom.datadict.keyword_for_tag(tag) for tag in tags} for tags in names)
    assert before - after == GONE
    assert after - before <= NEW
    assert set(attributes) <= before & after
    for keyword in (before & after) - NEW:
        assert raw(new, keyword) == raw(old, keyword), keyword
    np.testing.assert_array_equal(new.pixel_array, old.pixel_array + 10)


def test_de_identified_input_gets_no_dates(make_series, tmp_path):
    def edit(ds, index):
        ds.PatientIdentityRemoved, ds.PatientName, ds.InstanceCreationDate = "YES", "", "20200102"

    volume = read_volume(make_series(slices=1, edit=edit))
    write_volume(volume, tmp_path / "out")
    old = pydicom.dcmread(volume.source.all_slices[0].fingerprint.path)
    new = pydicom.dcmread(tmp_path / "out" / "IM0001.dcm")
    assert (new.PatientIdentityRemoved, new.PatientName) == ("YES", "")
    assert "InstanceCreationDate" not in new and new.ContentDate == old.ContentDate
    today = new.SOPInstanceUID
    assert today not in old.SOPInstanceUID and old.SOPInstanceUID not in today


def test_dates_that_were_left_alone_allow_new_ones(make_series, tmp_path):
    def edit(ds, index):
        ds.PatientIdentityRemoved, ds.LongitudinalTemporalInformationModified = "YES", "UNMODIFIED"

    volume = read_volume(make_series(slices=1, edit=edit))
    write_volume(volume, tmp_path / "out")
    new = pydicom.dcmread(tmp_path / "out" / "IM0001.dcm")
    assert new.InstanceCreationDate == new.ContentDate > "20200102"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("EncryptedAttributesSequence", [item(EncryptedContent=b"ab")]),
        ("SOPInstanceStatus", "AO"),
        ("SOPAuthorizationDateTime", "20200102"),
        ("FrameExtractionSequence", [item(MultiFrameSourceSOPInstanceUID="1.2.3")]),
        ((0x6000, 0x1302), "12.5"),
        ((0x601E, 0x1303), "1.5"),
    ],
)
def test_what_belongs_to_the_old_instance_goes(make_series, tmp_path, keyword, value):
    def edit(ds, index):
        if isinstance(keyword, tuple):
            ds.add_new(keyword, "DS", value)
            ds.add_new((keyword[0], 0x0010), "US", 6)
        else:
            setattr(ds, keyword, value)

    volume = read_volume(make_series(slices=1, edit=edit))
    write_volume(volume, tmp_path / "out")
    new = pydicom.dcmread(tmp_path / "out" / "IM0001.dcm")
    assert keyword not in new
    assert not isinstance(keyword, tuple) or new[keyword[0], 0x0010].value == 6

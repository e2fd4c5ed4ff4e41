# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from monai_diffdenoise.data.dicom_attributes import Attributes
from monai_diffdenoise.data.dicom_kind import Moment, kind_of, moment_of


def image(**values) -> Attributes:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return Attributes("", ds)


@pytest.mark.parametrize(
    "values",
    [
        {"ImageType": ["DERIVED", "SECONDARY", "M"]},
        {"InstanceNumber": 5, "AcquisitionTime": "101010", "TriggerTime": 20, "DiffusionBValue": 1000.0},
        {"AcquisitionNumber": 7, "TemporalPositionIdentifier": 3},
        {"EchoTime": 20.00001},
        {"SliceLocation": 3.5, "WindowCenter": "40", "PatientName": "Doe"},
    ],
)
def test_what_makes_no_other_kind(values):
    plain = {"ImageType": ["ORIGINAL", "PRIMARY", "M"], "EchoTime": "20"}
    assert kind_of(image(**plain)) == kind_of(image(**{**plain, **values}))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P"]}, "type"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "NORM"]}, "type"),
        ({"ImageType": ["ORIGINAL", "PRIMARY"]}, "type"),
        ({"ComplexImageComponent": "PHASE"}, "component"),
        ({"EchoTime": "80"}, "echo time"),
        ({"EchoNumbers": 2}, "echo number"),
        ({"StackID": "2"}, "stack id"),
        ({"ConvolutionKernel": ["B70f", "3"]}, "kernel"),
        ({"KVP": "80"}, "kVp"),
        ({"RescaleType": "HU"}, "units"),
        ({"AcquisitionContrast": "T2"}, "contrast"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "class"),
        ({"StudyInstanceUID": "1.2.3"}, "study"),
        ({"FrameOfReferenceUID": "1.2.3"}, "frame of reference"),
        ({"SeriesNumber": 9}, "series number"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "photometric"),
        ({"DiffusionDirectionality": "ISOTROPIC"}, "diffusion"),
        ({"MetaboliteMapDescription": "FAT"}, "metabolite"),
    ],
)
def test_what_makes_another_kind(values, name):
    plain = {"ImageType": ["ORIGINAL", "PRIMARY", "M"], "EchoTime": "20"}
    one, other = (dict(kind_of(image(**facts))) for facts in (plain, {**plain, **values}))
    assert {key for key in {**one, **other} if one.get(key) != other.get(key)} == {name}


@pytest.mark.parametrize(("number", "name"), [(0, "MAGNITUDE"), (1, "PHASE"), (2, "REAL"), (3, "IMAGINARY"), (9, "")])
@pytest.mark.parametrize("vr", ["SS", "UN"])
def test_ge_says_the_component_in_private(number, name, vr):
    ds = Dataset()
    ds.add_new(0x00430010, "LO", "GEMS_PARM_01")
    ds.add_new(0x0043102F, vr, number if vr == "SS" else number.to_bytes(2, "little"))
    assert dict(kind_of(Attributes("", ds))).get("component", "") == name
    ds.add_new(0x00430010, "LO", "ANOTHER MAKER")
    assert "component" not in dict(kind_of(Attributes("", ds)))


def test_moments_sort_by_time_and_by_number_last():
    moments = [
        moment_of(image(InstanceNumber=9, TemporalPositionIdentifier=1)),
        moment_of(image(InstanceNumber=1, TemporalPositionIdentifier=2, AcquisitionNumber=1)),
        moment_of(image(InstanceNumber=1, TemporalPositionIdentifier=2, AcquisitionNumber=2, AcquisitionTime="1200")),
        moment_of(image(InstanceNumber=7, TemporalPositionIdentifier=2, AcquisitionNumber=2, AcquisitionTime="1201")),
        moment_of(image(InstanceNumber=8, TemporalPositionIdentifier=2, AcquisitionNumber=2, AcquisitionTime="1201")),
    ]
    assert moments == sorted(moments)
    assert moment_of(image(InstanceNumber=3), 4) > moment_of(image(InstanceNumber=3), 3)
    assert moment_of(image(TriggerTime=2.5)).trigger == 2.5
    assert moment_of(image(NominalPercentageOfCardiacPhase=30.0)).trigger == 30
    assert moment_of(image()) == Moment()


def test_gradient_is_kept_to_compare():
    moment = moment_of(image(DiffusionGradientOrientation=[0.0, 0.6, 0.8], DiffusionBValue=700.0))
    assert moment[-3:] == (0.0, 0.6, 0.8) and moment.b_value == 700
    assert moment_of(image(DiffusionGradientOrientation=[0.0, 0.6]))[-3:] == Moment()[-3:]

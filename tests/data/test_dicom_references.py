# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import Collection, codes

from monai_diffdenoise.data.dicom_derive import equipment
from monai_diffdenoise.data.dicom_references import smoothing, source_image
from tests.data.dicom_out_builders import describe, make_cine


def in_context_group(code: Dataset, number: int) -> bool:
    """Whether pydicom's copy of a context group of PS3.16 holds a code with this meaning."""
    group = Collection(f"CID{number}")
    found = [concept for concept in group.concepts.values() if concept.value == code.CodeValue]
    return [(c.scheme_designator, c.meaning) for c in found] == [(code.CodingSchemeDesignator, code.CodeMeaning)]


def test_codes_belong_to_the_groups_that_the_standard_names(tmp_path):
    source = source_image(describe(make_cine(tmp_path / "us")))
    assert in_context_group(smoothing(), 7203)
    assert in_context_group(source.PurposeOfReferenceCodeSequence[0], 7202)
    assert in_context_group(equipment().PurposeOfReferenceCodeSequence[0], 7005)
    # Why it is Smoothing: nothing in the group speaks of noise, and Image Processing is not in it.
    assert not any("oise" in concept.meaning for concept in Collection("CID7203").concepts.values())
    assert codes.DCM.ImageProcessing not in Collection("CID7203").concepts.values()


@pytest.mark.parametrize(("frame", "number"), [(None, None), (0, 1), (7, 8)])
def test_source_image_counts_frames_from_one(tmp_path, frame, number):
    reference = source_image(describe(make_cine(tmp_path / "us")), frame)
    assert reference.get("ReferencedFrameNumber") == number
    assert reference.ReferencedSOPInstanceUID and reference.ReferencedSOPClassUID


def test_equipment_names_no_place_and_no_person():
    names = {element.keyword for element in equipment()}
    assert not names & {"StationName", "OperatorsName", "InstitutionName", "ContributionDateTime", "DeviceSerialNumber"}
    assert {"Manufacturer", "ManufacturerModelName", "SoftwareVersions"} <= names

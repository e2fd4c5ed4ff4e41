# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from monai_diffdenoise.data.dicom_attributes import Attributes
from monai_diffdenoise.data.dicom_files import quiet
from monai_diffdenoise.errors import InputError


def with_raw(keyword: str, vr: str, raw: bytes) -> Attributes:
    """An image with one attribute as damaged files have it."""
    ds, tag = Dataset(), Tag(keyword)
    ds._dict[tag] = RawDataElement(tag, vr, len(raw), raw, 0, False, True)
    return Attributes("slice 7", ds)


def image(**values) -> Attributes:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return Attributes("slice 7", ds)


def test_the_first_layer_that_knows_answers():
    top, below = Dataset(), Dataset()
    top.Rows, below.Rows, below.Columns = 1, 2, 3
    both = Attributes("", top, below)
    assert (both.value("Rows"), both.value("Columns"), both.value("PatientID")) == (1, 3, None)
    assert "Columns" in both and "PatientID" not in both


@pytest.mark.parametrize(
    ("values", "keyword", "texts"),
    [
        ({"ImageType": ["A", " B "]}, "ImageType", ["A", "B"]),
        ({"ImageType": "A"}, "ImageType", ["A"]),
        ({"ImageType": ""}, "ImageType", []),
        ({"ImageType": None}, "ImageType", []),
        ({"InstanceNumber": 0}, "InstanceNumber", ["0"]),
        ({"PixelSpacing": [1, 2.5]}, "PixelSpacing", ["1.0", "2.5"]),
        ({"EffectiveEchoTime": 1.5}, "EffectiveEchoTime", ["1.5"]),
        ({}, "ImageType", []),
    ],
)
def test_texts(values, keyword, texts):
    assert [t.replace("1.0", "1") for t in image(**values).texts(keyword)] == [t.replace("1.0", "1") for t in texts]
    assert image(**values).text(keyword).replace("1.0", "1") == (texts[0].replace("1.0", "1") if texts else "")


def test_shown_is_plain_and_short():
    with quiet():
        assert image(ImageType=["A", "B C", "D\x1b[31m\nE\u202e"]).shown("ImageType", start=1) == "B C D31mE"
        assert len(image(StackID="x" * 500).shown("StackID")) == 64
    assert image().shown("ImageType") == ""


@given(st.binary(max_size=12), st.sampled_from(["DS", "IS", "US", "FD", "CS", "UN", "SQ"]))
def test_damaged_values_are_missing_or_refused(raw, vr):
    for keyword in ("PixelSpacing", "Rows"):
        with quiet():
            damaged = with_raw(keyword, vr, raw)
            damaged.value(keyword), damaged.texts(keyword), damaged.shown(keyword), damaged.number(keyword)
            try:
                numbers = damaged.numbers(keyword, 2)
            except InputError as error:
                assert "slice 7" in str(error) and keyword in str(error)
            else:
                assert numbers == [] or len(numbers) == 2


@pytest.mark.parametrize("raw", [b"1\\2", b"1\\2\\3\\4", b"nan\\1\\2 ", b"inf\\1\\2 "])
def test_wrong_counts_and_what_is_not_finite(raw):
    with pytest.raises(InputError, match="slice 7 has a damaged ImagePositionPatient: expected 3"):
        with_raw("ImagePositionPatient", "DS", raw).numbers("ImagePositionPatient", 3)


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ({"AcquisitionTime": "101112.5"}, 36672.5),
        ({"AcquisitionTime": "1011"}, 36660.0),
        ({"AcquisitionTime": "10:11:12"}, 36672.0),
        ({"AcquisitionTime": "101112", "AcquisitionDate": "00010101"}, 86400 + 36672.0),
        ({"AcquisitionTime": "101112", "AcquisitionDateTime": "00010102000001.25+0100"}, 2 * 86400 + 1.25),
        ({"AcquisitionDateTime": "00010102000001-0500"}, 2 * 86400 + 1.0),
        ({"AcquisitionDateTime": "2020"}, None),
        ({"AcquisitionTime": "lunch"}, None),
        ({"AcquisitionTime": ""}, None),
        ({}, None),
    ],
)
def test_seconds(values, seconds):
    with pydicom.config.disable_value_validation():
        assert image(**values).seconds("AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime") == seconds


def test_time_goes_on_at_midnight():
    late, early = (
        image(AcquisitionDate=f"2020010{day}", AcquisitionTime=time).seconds(
            "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime"
        )
        for day, time in ((1, "235959"), (2, "000001"))
    )
    assert early - late == 2.0

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from monai_diffdenoise.data.dicom_private import KEPT_PRIVATE, drop_private
from tests.data.dicom_out_builders import CSA_SOURCE, csa_header


def private(*elements: tuple[str, int, int, str, object], block: int = 0x10) -> Dataset:
    """A dataset of private elements: creator, group, last byte, representation, value."""
    dataset = Dataset()
    dataset.PatientName = "Doe"
    for creator, group, low, vr, value in elements:
        dataset.add_new((group, block), "LO", creator)
        dataset.add_new((group, block << 8 | low), vr, value)
    return dataset


def left(dataset: Dataset) -> list[int]:
    return [int(tag) for tag in sorted(dataset.keys()) if tag.is_private]


@pytest.mark.parametrize("key", [key for key in KEPT_PRIVATE if key[0] != "SIEMENS CSA HEADER"])
@pytest.mark.parametrize("block", [0x10, 0x2A])
def test_listed_attributes_stay_with_their_creator(key, block):
    creator, group, low = key
    dataset = private((creator, group, low, "DS", "1"), (creator, group, 0xEE, "LO", "secret"), block=block)
    drop_private(dataset)
    assert left(dataset) == [group << 16 | block, group << 16 | block << 8 | low]
    assert dataset.PatientName == "Doe"


@pytest.mark.parametrize("creator", ["SOMEBODY ELSE", "", "SIEMENS MR HEADER X"])
def test_the_same_number_of_another_creator_goes(creator):
    dataset = private((creator, 0x0019, 0x0C, "IS", "1000"))
    drop_private(dataset)
    assert left(dataset) == []


def test_an_element_without_a_creator_goes():
    dataset = Dataset()
    dataset.add_new((0x0019, 0x100C), "IS", "1000")
    dataset.add_new((0x0019, 0x0001), "LO", "secret")
    drop_private(dataset)
    assert left(dataset) == []


def test_the_csa_header_is_rewritten():
    raw = csa_header(CSA_SOURCE)
    dataset = private(
        ("SIEMENS CSA HEADER", 0x0029, 0x10, "OB", raw), ("SIEMENS CSA HEADER", 0x0029, 0x20, "OB", b"Doe ")
    )
    drop_private(dataset)
    assert left(dataset) == [0x00290010, 0x00291010]
    assert b"Doe" not in dataset[0x0029, 0x1010].value and b"SliceNormalVector" in dataset[0x0029, 0x1010].value


@pytest.mark.parametrize("value", [b"no header", b""])
def test_a_csa_header_that_cannot_be_read_goes(value):
    dataset = private(("SIEMENS CSA HEADER", 0x0029, 0x10, "OB", value))
    drop_private(dataset)
    assert left(dataset) == []


def test_sequences_are_cleaned_too():
    inner = private(("SIEMENS MR HEADER", 0x0019, 0x0C, "IS", "5"), ("ACME", 0x0021, 0x01, "LO", "secret"))
    outer = Dataset()
    outer.ProcedureCodeSequence = [inner]
    drop_private(outer)
    assert left(outer.ProcedureCodeSequence[0]) == [0x00190010, 0x0019100C]

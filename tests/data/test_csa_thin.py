# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_diffdenoise.data.csa_thin import CSA_ENTRIES, thin_csa
from tests.data.dicom_out_builders import CSA_SOURCE, csa_header

with warnings.catch_warnings():
    # nibabel calls its own readers experimental.
    warnings.simplefilter("ignore")
    from nibabel.nicom.csareader import read as read_csa


def test_only_listed_entries_are_left_and_an_independent_reader_agrees():
    source = csa_header(CSA_SOURCE)
    thin = thin_csa(source)
    before, after = read_csa(source)["tags"], read_csa(thin)["tags"]
    assert set(after) == set(CSA_SOURCE) & set(CSA_ENTRIES) < set(before)
    for name, entry in after.items():
        # The padding up to six values says nothing.
        wanted = [value for value in before[name]["items"] if value != ""]
        assert [value for value in entry["items"] if value != ""] == wanted
        assert len(wanted) == len(CSA_SOURCE[name])
        assert (entry["vr"], entry["vm"]) == (before[name]["vr"], before[name]["vm"])
    assert b"Doe" in source and b"Doe" not in thin and len(thin) < len(source)


def test_text_behind_the_end_of_a_value_goes():
    # 64 bytes of a name field, and of a value's field, may hold remains of other texts.
    raw = bytearray(csa_header({"B_value": ["1000\0Doe"]}))
    at = raw.index(b"B_value") + 20
    raw[at : at + 3] = b"Doe"
    assert raw.count(b"Doe") == 2 and b"Doe" not in thin_csa(bytes(raw)) and b"1000\0" in thin_csa(bytes(raw))


def test_long_values_are_no_numbers():
    assert thin_csa(csa_header({"B_value": ["x" * 80]})) is None
    assert b"yyy" not in thin_csa(csa_header({"B_value": ["y" * 80], "B_matrix": ["1"]}))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SV10\4\3\2\1",
        csa_header({"UsedChannelMask": ["1"]}),
        csa_header(CSA_SOURCE)[8:],
        b"SV10\4\3\2\1" + b"\xff" * 400,
        csa_header(CSA_SOURCE)[:-300],
    ],
)
def test_nothing_comes_of_what_is_damaged_or_holds_nothing(raw):
    assert thin_csa(raw) is None


@given(st.data())
def test_any_bytes_end_in_a_header_or_nothing(data):
    raw = bytearray(csa_header(CSA_SOURCE))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    thin = thin_csa(bytes(raw))
    assert thin is None or thin.startswith(b"SV10")

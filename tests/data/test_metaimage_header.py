# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import numpy as np
import pytest

from monai_diffdenoise.data.metaimage_header import read_layout
from monai_diffdenoise.errors import InputError

GOOD = {"ObjectType": "Image", "NDims": "3", "DimSize": "4 5 6", "ElementType": "MET_SHORT"}


def header(mark: str = " = ", end: str = "\n", **fields: str | None) -> bytes:
    lines = {**GOOD, **fields, "ElementDataFile": fields.get("ElementDataFile", "LOCAL")}
    return "".join(f"{key}{mark}{value}{end}" for key, value in lines.items() if value is not None).encode("latin-1")


def layout(raw: bytes):
    return read_layout(io.BytesIO(raw + b"pixels\nFoo = x\n"), "x.mha")


@pytest.mark.parametrize("mark", [" = ", "=", ": "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_short_header(mark, end):
    raw = header(mark, end)
    found = layout(raw)
    assert found.length == len(raw) and b"".join(found.lines) == raw
    assert (found.spatial, found.times, found.components, found.dtype) == ((4, 5, 6), 1, 1, np.dtype("<i2"))
    assert found.spacing == (1, 1, 1) and not found.compressed and not found.notes
    np.testing.assert_array_equal(found.affine, np.diag([-1, -1, 1, 1]))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"BinaryDataByteOrderMSB": "True"}, {"dtype": np.dtype(">i2"), "order": ">"}),
        ({"ElementByteOrderMSB": "True", "ElementType": "MET_UCHAR"}, {"dtype": np.dtype("u1"), "order": ">"}),
        ({"ElementType": "MET_LONG"}, {"dtype": np.dtype("<i4")}),
        ({"ElementType": "MET_ULONG_LONG"}, {"dtype": np.dtype("<u8")}),
        ({"ElementType": "MET_FLOAT_ARRAY", "ElementNumberOfChannels": "2"}, {"components": 2, "kind": "component"}),
        ({"CompressedData": "True"}, {"compressed": True}),
        ({"NDims": "4", "DimSize": "4 5 6 7"}, {"spatial": (4, 5, 6), "times": 7, "kind": "time"}),
        ({"NDims": "5", "DimSize": "4 5 6 1 7"}, {"spatial": (4, 5, 6), "times": 7}),
        ({"NDims": "2", "DimSize": "4 5"}, {"spatial": (4, 5), "spacing": (1, 1)}),
        ({"ElementSpacing": "1 2 3.5"}, {"spacing": (1, 2, 3.5)}),
        ({"ElementSize": "1 2 3.5"}, {"spacing": (1, 2, 3.5)}),
        ({"ElementSpacing": "1 2 3.5", "ElementSize": "9 9 9"}, {"spacing": (1, 2, 3.5)}),
        ({"ElementSpacing": "100 200 300", "DistanceUnits": "um"}, {"spacing": (0.1, 0.2, 0.3)}),
        ({"ElementSpacing": "-1 2 3"}, {"spacing": (1, 2, 3)}),
        ({"HeaderSize": "-1"}, {"header_size": -1}),
        ({"ElementDataFile": "x.raw"}, {"data_file": "x.raw"}),
    ],
)
def test_fields(fields, expected):
    found = layout(header(**fields))
    for name, value in expected.items():
        assert getattr(found, name) == (pytest.approx(value) if name == "spacing" else value)


def test_geometry_is_lps_row_by_row():
    matrix = "0 1 0 0 0 1 1 0 0"
    found = layout(header(TransformMatrix=matrix, Offset="10 20 30", ElementSpacing="2 3 4"))
    # The first axis runs along y (LPS), the second along z, the third along x.
    np.testing.assert_array_equal(found.affine @ [1, 0, 0, 1], [-10, -22, 30, 1])
    np.testing.assert_array_equal(found.affine @ [0, 1, 0, 1], [-10, -20, 33, 1])
    np.testing.assert_array_equal(found.affine @ [0, 0, 1, 1], [-14, -20, 30, 1])
    with_time = layout(
        header(
            NDims="4",
            DimSize="4 5 6 7",
            TransformMatrix="0 1 0 0 0 0 1 0 1 0 0 0 0 0 0 1",
            Offset="10 20 30 5",
            ElementSpacing="2 3 4 1.5",
        )
    )
    np.testing.assert_array_equal(with_time.affine, found.affine)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("ElementToIntensityFunctionSlope", "2", 1),
        ("ElementToIntensityFunctionSlope", "1", 0),
        ("ElementToIntensityFunctionOffset", "5", 1),
        ("CenterOfRotation", "0 0 0", 0),
        ("CenterOfRotation", "1 0 0", 1),
    ],
)
def test_what_itk_does_not_apply_is_told(key, value, told):
    assert len(layout(header(**{key: value})).notes) == told


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ObjectType": "Mesh"}, "'Mesh'"),
        ({"NDims": None}, "NDims is missing"),
        ({"NDims": "1", "DimSize": "4"}, "1 axes"),
        ({"NDims": "11", "DimSize": " ".join(["1"] * 11)}, "11 axes"),
        ({"NDims": "3.5"}, "NDims is not a whole number"),
        ({"NDims": "9" * 30}, "NDims is not a whole number"),
        ({"DimSize": "4 5"}, "2 sizes"),
        ({"DimSize": "4 0 6"}, "at least 1"),
        ({"DimSize": "4 -5 6"}, "at least 1"),
        ({"NDims": "5", "DimSize": "4 5 6 2 7"}, "at most one axis"),
        ({"NDims": "4", "DimSize": "4 5 6 2", "ElementNumberOfChannels": "3"}, "at most one axis"),
        ({"ElementNumberOfChannels": "0"}, "at least 1"),
        ({"ElementType": "MET_OTHER"}, "'MET_OTHER'"),
        ({"ElementType": None}, "ElementType ''"),
        ({"BinaryData": "False"}, "as text"),
        ({"BinaryData": "maybe"}, "'maybe'"),
        ({"ElementSpacing": "1 0 1"}, "other than 0"),
        ({"ElementSpacing": "1 nan 1"}, "other than 0"),
        ({"ElementSpacing": "1 x 1"}, "not a list of numbers"),
        ({"ElementSpacing": "1 1"}, "another number of axes"),
        ({"Offset": "1 1 1 1"}, "another number of axes"),
        ({"Offset": "1 inf 1"}, "damaged geometry"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 1 0"}, "damaged geometry"),
        ({"HeaderSize": "-2"}, "at least -1"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(InputError, match=message) as caught:
        layout(header(**fields))
    assert "x.mha" in str(caught.value)


@pytest.mark.parametrize(
    "raw", [b"", b"\n", b"no header\n" * 9, header()[:40], b"Comment = " + b"x" * (2 << 20), b"\x89PNG\r\n\x1a\n" * 9]
)
def test_other_files(raw):
    with pytest.raises(InputError, match="not a MetaImage or is cut off"):
        read_layout(io.BytesIO(raw), "x.mha")

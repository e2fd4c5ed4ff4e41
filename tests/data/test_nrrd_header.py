# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import numpy as np
import pytest

from monai_diffdenoise.data.nrrd_header import field_of, read_layout
from monai_diffdenoise.errors import InputError

GOOD = {"type": "short", "dimension": "3", "sizes": "4 5 6", "endian": "little", "encoding": "raw"}


def header(magic: str = "NRRD0004", end: str = "\n", **fields: str | None) -> bytes:
    lines = {**GOOD, **{key.replace("_", " "): value for key, value in fields.items()}}
    text = [
        magic,
        "# a comment: not a field",
        *(f"{key}: {value}" for key, value in lines.items() if value is not None),
    ]
    return "".join(f"{line}{end}" for line in [*text, "my key:=my value: x", ""]).encode("latin-1")


def layout(raw: bytes):
    return read_layout(io.BytesIO(raw + b"pixels\n"), "x.nrrd")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("magic", ["NRRD0001", "NRRD0005"])
def test_a_short_header(end, magic):
    raw = header(magic, end)
    found = layout(raw)
    assert b"".join(found.lines) == raw and found.length == len(raw)
    assert found.dtype == np.dtype("<i2") and found.packing == "raw" and found.data_file is None
    assert found.axes.spatial == (4, 5, 6)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"Space  Directions: none (1,0)\r\n", ("spacedirections", "none (1,0)")),
        (b"sizes:4 5\n", ("sizes", "4 5")),
        (b"content: a:=b\n", ("content", "a:=b")),
        (b"key:=value: x\n", ("", "")),
        (b"# type: short\n", ("", "")),
        (b"NRRD0004\n", ("", "")),
        (b"\n", ("", "")),
    ],
)
def test_lines(line, expected):
    assert field_of(line) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"endian": "big"}, {"dtype": np.dtype(">i2"), "order": ">"}),
        ({"type": "unsigned  short int"}, {"dtype": np.dtype("<u2")}),
        ({"type": "uchar", "endian": None}, {"dtype": np.dtype("u1")}),
        ({"type": "longlong"}, {"dtype": np.dtype("<i8")}),
        ({"type": "double"}, {"dtype": np.dtype("<f8")}),
        ({"encoding": "GZ"}, {"packing": "gzip"}),
        ({"encoding": "bz2", "byte_skip": "4"}, {"packing": "bzip2", "byte_skip": 4}),
        ({"byte_skip": "-1"}, {"byte_skip": -1}),
        ({"lineskip": "3"}, {"line_skip": 3}),
        ({"data_file": "x.raw"}, {"data_file": "x.raw"}),
        ({"datafile": "./x.raw"}, {"data_file": "./x.raw"}),
        ({"old_min": "0"}, {"notes": 2}),
    ],
)
def test_fields(fields, expected):
    found = layout(header(**fields))
    for name, value in expected.items():
        assert (len(found.notes) if name == "notes" else getattr(found, name)) == value


def test_header_of_two_may_end_with_the_file():
    raw = header(data_file="x.raw")[:-1]
    assert read_layout(io.BytesIO(raw), "x.nhdr").data_file == "x.raw"
    with pytest.raises(InputError, match="cut off inside its header"):
        read_layout(io.BytesIO(header()[:-1]), "x.nrrd")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not a NRRD"),
        (b"NRRD0009\n\n", "not a NRRD"),
        (b"ObjectType = Image\n", "not a NRRD"),
        (header(type="block"), "'block'"),
        (header(type=None), "type ''"),
        (header(encoding="hex"), "'hex'"),
        (header(encoding="ascii"), "'ascii'"),
        (header(encoding=None), "encoding ''"),
        (header(endian=None), "byte order"),
        (header(line_skip="-1"), "skips -1 lines"),
        (header(line_skip="x"), "lineskip is 'x'"),
        (header(byte_skip="-1", encoding="gzip"), "-1 bytes"),
        (header(byte_skip="-2"), "byteskip is '-2'"),
        (header(data_file="LIST"), "several files"),
        (header(data_file="LIST 2"), "several files"),
        (header(data_file="x%03d.raw 1 9 1"), "several files"),
        (header(Type="int"), "'type' comes twice"),
        (header().replace(b"sizes:", b"sizes"), "line 5 is no field"),
        (b"NRRD0004\n" + b"# x\n" * (2 << 20), "more than"),
    ],
)
def test_refusals(raw, message):
    with pytest.raises(InputError, match=message) as caught:
        read_layout(io.BytesIO(raw), "x.nrrd")
    assert "x.nrrd" in str(caught.value) and len(str(caught.value)) < 300

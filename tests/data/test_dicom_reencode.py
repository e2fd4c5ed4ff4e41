# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Bytes of text that no step may touch, whatever the character set and the encoding of the file."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from monai_diffdenoise.data import read_volume, write_volume

ENCODINGS = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
# Escape sequences that an encoder would choose otherwise, and bytes that are wrong for their set.
NAMES = [
    ("\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"),
    ("\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7="),
    ("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab="),
    ("GBK", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab="),
    ("ISO_IR 192", "Wang^XiaoDong=王^小東=".encode()),
    ("ISO_IR 144", b"\xbb\xee\xda\xd5\xdc\xd1\xe3\xe0\xd3"),
    ("ISO_IR 100", b"Doe^J\xf6rg  "),
    ("ISO_IR 192", b"not \xff\xfe UTF-8"),
    ("", b"M\xfcller^\xc4 "),
    ("NO_SUCH_SET", b"M\xfcller^\xc4 "),
]


def recode(path, syntax: UID) -> None:
    """Write a little-endian explicit file again in another encoding, pixels included."""
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = syntax
    if not syntax.is_little_endian:
        ds["PixelData"].value = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    pydicom.dcmwrite(path, ds, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("syntax", ENCODINGS, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize(("charset", "name"), NAMES, ids=range(len(NAMES)))
def test_text_keeps_its_bytes(make_series, tmp_path, charset, name, syntax):
    name += b" " * (len(name) % 2)
    places = [letter * len(name) for letter in ("Q", "W")]

    def edit(ds, index):
        request = Dataset()
        request.ScheduledProcedureStepDescription = places[1]
        ds.PatientName, ds.RequestAttributesSequence = places[0], [request]
        ds.SpecificCharacterSet = "Z" * (len(charset) + len(charset) % 2)

    path = next(make_series(slices=1, edit=edit).iterdir())
    recode(path, syntax)
    raw = path.read_bytes()
    for place in places:
        assert raw.count(place.encode()) == 1
        raw = raw.replace(place.encode(), name)
    if charset:
        wanted = charset.encode() + b" " * (len(charset) % 2)
        raw = raw.replace(b"Z" * len(wanted), wanted)
    path.write_bytes(raw)
    write_volume(read_volume(path), tmp_path / "out")
    out = (tmp_path / "out" / "IM0001.dcm").read_bytes()
    assert out.count(name) == 2
    assert (b"CS" + len(wanted).to_bytes(2, "little") + wanted if charset else b"\x08\x00\x05\x00CS\x00\x00") in out
    # And it says what it said before to whoever reads it.
    with pydicom.config.disable_value_validation():
        before, after = pydicom.dcmread(path), pydicom.dcmread(tmp_path / "out" / "IM0001.dcm")
        assert str(after.PatientName) == str(before.PatientName)


@pytest.mark.parametrize("syntax", ENCODINGS, ids=lambda syntax: syntax.name)
def test_decimals_keep_their_digits(make_series, tmp_path, syntax):
    # More than the 16 characters that are allowed, and forms that nobody would print.
    digits = {"TableHeight": b"0.44233325035477234 ", "DistanceSourceToDetector": b"+1.50E+3", "ExposureTime": b" 007"}
    places = {
        keyword: (b"9" + bytes([49 + n]) * len(value))[: len(value)]
        for n, (keyword, value) in enumerate(digits.items())
    }

    def edit(ds, index):
        for keyword, place in places.items():
            setattr(ds, keyword, place.decode())

    with pydicom.config.disable_value_validation():
        path = next(make_series(slices=1, edit=edit).iterdir())
        recode(path, syntax)
    raw = path.read_bytes()
    for keyword, place in places.items():
        assert raw.count(place) == 1
        raw = raw.replace(place, digits[keyword])
    path.write_bytes(raw)
    write_volume(read_volume(path), tmp_path / "out")
    out = (tmp_path / "out" / "IM0001.dcm").read_bytes()
    for value in digits.values():
        assert value in out


@pytest.mark.parametrize("syntax", ENCODINGS[1:], ids=lambda syntax: syntax.name)
def test_numbers_turn_around(make_series, tmp_path, syntax):
    def edit(ds, index):
        inner = Dataset()
        inner.add_new("RealWorldValueSlope", "FD", 0.125)
        inner.add_new("RealWorldValueFirstValueMapped", "US", 513)
        ds.RealWorldValueMappingSequence = [inner]
        ds.add_new("FrameIncrementPointer", "AT", 0x00181063)
        ds.add_new("TagThickness", "FD", -2.5)
        ds.add_new((0x0019, 0x0010), "LO", "SIEMENS MR HEADER")
        ds.add_new((0x0019, 0x100E), "FD", [0.25, -0.5, 1.0])

    path = next(make_series(slices=1, edit=edit).iterdir())
    recode(path, syntax)
    write_volume(read_volume(path), tmp_path / "out")
    new = pydicom.dcmread(tmp_path / "out" / "IM0001.dcm")
    inner = new.RealWorldValueMappingSequence[0]
    assert (inner.RealWorldValueSlope, inner.RealWorldValueFirstValueMapped) == (0.125, 513)
    assert inner["RealWorldValueFirstValueMapped"].VR == "US"
    assert (new.FrameIncrementPointer, new.TagThickness) == (0x00181063, -2.5)
    assert list(new[0x0019, 0x100E].value) == [0.25, -0.5, 1.0] and new[0x0019, 0x100E].VR == "FD"

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from monai_diffdenoise.data import Volume, read_volume, write_volume


def pairs(volume: Volume, out: Path) -> list[tuple[Dataset, Dataset]]:
    """Source and derived dataset of every slice, in order."""
    derived = sorted(out.iterdir())
    assert [p.name for p in derived] == [f"IM{k + 1:04d}.dcm" for k in range(len(volume.source.slices[0]))]
    return [
        (pydicom.dcmread(item.fingerprint.path), pydicom.dcmread(path))
        for item, path in zip(volume.source.slices[0], derived, strict=True)
    ]


def derived_of(make_series, out: Path, edit=None, **kwargs) -> tuple[Dataset, Dataset]:
    """Source and derived dataset of a series of one slice."""
    volume = read_volume(make_series(slices=1, edit=edit))
    write_volume(volume, out, **kwargs)
    return pairs(volume, out)[0]


def test_identity_of_the_derived_series(make_series, tmp_path):
    volume = read_volume(make_series())
    write_volume(volume, tmp_path / "out", derivation="ns-n2n, seed 0")
    all_pairs = pairs(volume, tmp_path / "out")
    assert len({new.SeriesInstanceUID for _, new in all_pairs}) == 1
    assert len({new.SOPInstanceUID for _, new in all_pairs}) == len(all_pairs)
    for old, new in all_pairs:
        for keyword in (
            "SOPClassUID",
            "StudyInstanceUID",
            "FrameOfReferenceUID",
            "PatientName",
            "PatientID",
            "Modality",
        ):
            assert new[keyword].value == old[keyword].value
        assert new.SeriesInstanceUID != old.SeriesInstanceUID and new.SOPInstanceUID != old.SOPInstanceUID
        assert new.SeriesInstanceUID.is_valid and new.SOPInstanceUID.is_valid
        assert new.file_meta.MediaStorageSOPInstanceUID == new.SOPInstanceUID
        assert new.file_meta.MediaStorageSOPClassUID == new.SOPClassUID
        assert new.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert new.file_meta.ImplementationClassUID and new.preamble == b"\0" * 128
        assert (new.SeriesNumber, new.InstanceNumber) == (9004, old.InstanceNumber)
        assert new.SeriesDescription == "Thorax (denoised, not for diagnostic use)"
        assert new.ImageType == ["DERIVED", *old.ImageType[1:]]
        assert "monai-diffdenoise" in new.DerivationDescription and "ns-n2n, seed 0" in new.DerivationDescription
        assert new.DerivationCodeSequence[0].CodeValue == "113087"
        source = new.SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == old.SOPInstanceUID
        assert source.ReferencedSOPClassUID == old.SOPClassUID
        assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
        equipment = new.ContributingEquipmentSequence[-1]
        assert equipment.ManufacturerModelName == "monai-diffdenoise" and equipment.SoftwareVersions
        assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"


KEPT = {
    "WindowCenter": ["40", "300"],
    "WindowWidth": ["400", "1500"],
    "PhotometricInterpretation": "MONOCHROME1",
    "BurnedInAnnotation": "NO",
    "LossyImageCompression": "01",
    "LossyImageCompressionRatio": "7.5",
    "LossyImageCompressionMethod": "ISO_10918_1",
    "PatientIdentityRemoved": "YES",
    "DeidentificationMethod": "basic profile",
    "SeriesDate": "20200102",
    "SeriesTime": "101112",
    "AcquisitionDate": "20200102",
    "SliceLocation": "12.5",
    "ProtocolName": "Kopf nativ",
}


def test_attributes_that_stay(make_series, tmp_path):
    def edit(ds, index):
        for keyword, value in KEPT.items():
            setattr(ds, keyword, value)

    old, new = derived_of(make_series, tmp_path / "out", edit)
    for keyword in (*KEPT, "SpecificCharacterSet", "RescaleSlope", "RescaleType", "ImagePositionPatient", "KVP"):
        assert new[keyword].value == old[keyword].value, keyword
    assert new.PatientName == "Doe^Jörg"


def test_attributes_that_go(make_series, tmp_path):
    def edit(ds, index):
        ds.IconImageSequence, ds.DigitalSignaturesSequence = [Dataset()], [Dataset()]
        ds.InstanceCreatorUID, ds.DataSetTrailingPadding = "1.2.3", b"\0\0"
        inner = Dataset()
        inner.add_new((0x0029, 0x0010), "LO", "MAKER PRIVATE")
        inner.add_new((0x0029, 0x1002), "LO", "secret")
        inner.CodeValue = "public"
        ds.ProcedureCodeSequence = [inner]

    old, new = derived_of(make_series, tmp_path / "out", edit)
    for keyword in (
        "IconImageSequence",
        "DigitalSignaturesSequence",
        "InstanceCreatorUID",
        "DataSetTrailingPadding",
        "SmallestImagePixelValue",
        "LargestImagePixelValue",
    ):
        assert keyword in old and keyword not in new, keyword
    assert b"secret" not in sorted((tmp_path / "out").iterdir())[0].read_bytes()
    assert new.ProcedureCodeSequence[0].CodeValue == "public"


def test_private_attributes_are_kept_on_demand(make_series, tmp_path):
    _, new = derived_of(make_series, tmp_path / "out", keep_private=True)
    assert new[0x0029, 0x1001].value == "secret"


@pytest.mark.parametrize(
    ("title", "wanted"),
    [
        ("", "(denoised, not for diagnostic use)"),
        (None, "(denoised, not for diagnostic use)"),
        ("x" * 64, "x" * 29 + " (denoised, not for diagnostic use)"),
        ("Schädel", "Schädel (denoised, not for diagnostic use)"),
    ],
)
def test_series_description_fits(make_series, tmp_path, title, wanted):
    def edit(ds, index):
        ds.SeriesDescription = title

    _, new = derived_of(make_series, tmp_path / "out", edit)
    assert new.SeriesDescription == wanted and len(wanted) <= 64


@pytest.mark.parametrize(("old", "new"), [(None, 9000), (0, 9000), (301, 9301), (2**31 - 1, 9000)])
def test_series_number(make_series, tmp_path, old, new):
    def edit(ds, index):
        ds.SeriesNumber = old

    assert derived_of(make_series, tmp_path / "out", edit)[1].SeriesNumber == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["DERIVED", "SECONDARY", "MPR"], ["DERIVED", "SECONDARY", "MPR"]),
        (["ORIGINAL"], ["DERIVED", "PRIMARY"]),
        ("STATIC", ["DERIVED", "PRIMARY"]),
        (None, ["DERIVED", "PRIMARY"]),
    ],
)
def test_image_type(make_series, tmp_path, old, new):
    def edit(ds, index):
        ds.ImageType = old

    assert derived_of(make_series, tmp_path / "out", edit)[1].ImageType == new


def test_history_of_derivation_grows(make_series, tmp_path):
    volume = read_volume(make_series(slices=1))
    write_volume(volume, tmp_path / "once", derivation="first pass")
    write_volume(read_volume(tmp_path / "once"), tmp_path / "twice", derivation="second pass")
    new = pydicom.dcmread(tmp_path / "twice" / "IM0001.dcm")
    assert new.DerivationDescription.index("second pass") < new.DerivationDescription.index("first pass")
    assert len(new.DerivationCodeSequence) == len(new.ContributingEquipmentSequence) == 2
    assert len(new.SourceImageSequence) == 1


def test_dates_say_when_the_pixels_were_made(make_series, tmp_path):
    def edit(ds, index):
        ds.TimezoneOffsetFromUTC = "-1130"

    old, new = derived_of(make_series, tmp_path / "out", edit)
    assert new.ContentDate == new.InstanceCreationDate > old.ContentDate
    assert new.ContentTime == new.InstanceCreationTime != old.ContentTime
    assert new.TimezoneOffsetFromUTC == "-1130"


def test_nothing_is_invented_for_deidentified_dates(make_series, tmp_path):
    def shifted(ds, index):
        ds.LongitudinalTemporalInformationModified, ds.InstanceCreationDate = "MODIFIED", "20200102"

    def emptied(ds, index):
        ds.ContentDate, ds.ContentTime = "", None

    old, new = derived_of(make_series, tmp_path / "shifted", shifted)
    assert (new.ContentDate, new.ContentTime) == (old.ContentDate, old.ContentTime)
    assert "InstanceCreationDate" not in new
    _, new = derived_of(make_series, tmp_path / "emptied", emptied)
    assert not new.ContentDate and not new.ContentTime


def test_lossy_source_is_marked(make_series, tmp_path):
    path = get_testdata_file("CT_small.dcm", download=False)
    if path is None or not pydicom.pixels.get_decoder(JPEGBaseline8Bit).is_available:
        pytest.skip("no JPEG decoder")
    from io import BytesIO

    from PIL import Image

    stream = BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) * 4).save(stream, "JPEG")

    def edit(ds, index):
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        ds.PixelData = pydicom.encaps.encapsulate([stream.getvalue()])
        ds["PixelData"].is_undefined_length = True

    old, new = derived_of(make_series, tmp_path / "out", edit)
    assert new.LossyImageCompression == "01" and new.LossyImageCompressionMethod == "ISO_10918_1"
    assert float(new.LossyImageCompressionRatio) == pytest.approx(48 / len(old.PixelData), rel=0.01)
    assert new["PixelData"].VR == "OB"
    np.testing.assert_array_equal(new.pixel_array, old.pixel_array)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_encodings_are_carried_over(make_series, tmp_path, syntax):
    little = np.arange(256, dtype="<u2")

    def edit(ds, index):
        table = Dataset()
        table.LUTDescriptor, table.LUTData = [256, 0, 16], little.tobytes()
        table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
        ds.VOILUTSequence, ds.PatientAge = [table], "011Y"
        ds.add_new("PixelPaddingValue", "US", 7)

    volume = read_volume(make_series("plain", edit=edit))
    folder = make_series("coded", edit=edit)
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        ds.file_meta.TransferSyntaxUID = syntax
        if not syntax.is_little_endian:
            ds["PixelData"].value = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
            ds.VOILUTSequence[0]["LUTData"].value = little.astype(">u2").tobytes()
        pydicom.dcmwrite(path, ds, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    coded = read_volume(folder)
    assert torch.equal(coded.image, volume.image)
    write_volume(volume, tmp_path / "a")
    write_volume(coded, tmp_path / "b")
    changing = {"InstanceCreationTime", "ContentTime"}
    for a, b in zip(sorted((tmp_path / "a").iterdir()), sorted((tmp_path / "b").iterdir()), strict=True):
        first, second = pydicom.dcmread(a), pydicom.dcmread(b)
        for ds in (first, second):
            for keyword in changing:
                del ds[keyword]
        assert first == second


def test_values_that_cannot_be_re_encoded_become_empty(make_series, tmp_path):
    folder = make_series(slices=1)
    path = next(folder.iterdir())
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds.PregnancyStatus, ds.KVP = 4, "120"
    pydicom.dcmwrite(path, ds, implicit_vr=True, little_endian=True)
    raw = path.read_bytes()
    good, bad = b"\x10\0\xc0\x21\2\0\0\0\4\0", b"\x10\0\xc0\x21\3\0\0\0\4\0\0"
    assert raw.count(good) == raw.count(b"120 ") == 1
    path.write_bytes(raw.replace(good, bad).replace(b"120 ", b"1x0 "))
    volume = read_volume(path)
    write_volume(volume, tmp_path / "out")
    with pydicom.config.disable_value_validation():
        new = pydicom.dcmread(tmp_path / "out" / "IM0001.dcm")
        # Text stays as it was, broken or not; three bytes are no 16-bit number.
        assert new.KVP == "1x0"
        assert "PregnancyStatus" in new and new.PregnancyStatus is None
    assert torch.equal(read_volume(tmp_path / "out").image, volume.image)

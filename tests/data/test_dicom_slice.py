# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    EnhancedMRImageStorage,
    ImplicitVRLittleEndian,
)

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.errors import InputError


def test_signed_padding_given_as_unsigned(make_series):
    def edit(ds, index):
        ds.add_new("PixelPaddingValue", "US", 63536)

    volume = read_volume(make_series(dtype="int16", slices=1, edit=edit))
    assert volume.source.slices[0][0].padding == (-2000, -2000)


def test_padding_of_an_implicit_file_is_understood(make_series):
    def edit(ds, index):
        ds.add_new("PixelPaddingValue", "SS", -5)
        ds.add_new("PixelPaddingRangeLimit", "SS", -9)
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian

    volume = read_volume(make_series(dtype="int16", slices=1, edit=edit))
    assert volume.source.slices[0][0].padding == (-9, -5)


def setter(**values):
    def edit(ds, index):
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return edit


def on_slice(which: int, **values):
    def edit(ds, index):
        return setter(**values)(ds, index) if index == which else None

    return edit


def raw_decimal(keyword: str, text: bytes):
    """Put text that is no number where a number belongs, as damaged files have it."""

    def edit(ds, index):
        tag = pydicom.tag.Tag(keyword)
        if tag in ds:
            del ds[tag]
        with pydicom.config.disable_value_validation():
            ds._dict[tag] = pydicom.dataelem.RawDataElement(tag, "DS", len(text), text, 0, False, True)

    return edit


def embedded_overlay(ds, index):
    ds.add_new((0x6000, 0x0100), "US", 16)
    ds.add_new((0x6000, 0x0102), "US", 12)


def cut_pixels(ds, index):
    ds.PixelData = ds.PixelData[:20]


REFUSALS = {
    "multi-frame": (setter(NumberOfFrames=5), "cut off or damaged"),
    "no frames": (setter(NumberOfFrames=0), "declares 0 frames"),
    "enhanced": (setter(SOPClassUID=EnhancedMRImageStorage), "describes none of its 1 frames"),
    "mosaic": (setter(ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]), "mosaic"),
    "rgb": (setter(PhotometricInterpretation="RGB", SamplesPerPixel=3), "color image"),
    "palette": (setter(PhotometricInterpretation="PALETTE COLOR"), "color image"),
    "lookup table": (setter(ModalityLUTSequence=[Dataset()]), "lookup table"),
    "one bit": (setter(BitsAllocated=1, BitsStored=1, HighBit=0), "1 of 1 bits"),
    "shifted bits": (setter(HighBit=15), "up to bit 15"),
    "overlay": (embedded_overlay, "overlay"),
    "no rows": (setter(Rows=0), "0 rows"),
    "too many rows": (setter(Rows=60000, Columns=60000), "cut off or damaged"),
    "cut pixels": (cut_pixels, "cut off or damaged"),
    "zero slope": (setter(RescaleSlope="0"), "slope of 0"),
    "bad slope": (raw_decimal("RescaleSlope", b"steep "), "damaged RescaleSlope"),
    "nan slope": (raw_decimal("RescaleSlope", b"nan "), "damaged RescaleSlope"),
    "nan spacing": (raw_decimal("PixelSpacing", b"nan\\nan "), "damaged PixelSpacing"),
    "zero spacing": (setter(PixelSpacing=[0, 1]), "above 0 mm"),
    "bad orientation": (setter(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "damaged ImageOrientation"),
    "short position": (raw_decimal("ImagePositionPatient", b"1\\2 "), "damaged ImagePosition"),
    "orientations": (on_slice(1, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), "2 stacks.*axial.*sagittal.*--stack"),
    "spacings": (on_slice(1, PixelSpacing=[0.6, 0.75]), "2 stacks.*pixels 0.75x0.5 mm.*pixels 0.75x0.6 mm"),
    "missing slice": (
        lambda ds, index: index != 2,
        "unevenly spaced.*1 missing between .* instance number 2 and .* instance number 4.*--uneven take",
    ),
    "repeated position": (
        on_slice(1, ImagePositionPatient=[0, -10, -20]),
        "share their position unevenly .3 position.s. with 1 image.s., 1 position.s. with 2",
    ),
    "sideways": (on_slice(1, ImagePositionPatient=[40, -10, -17.5]), "sideways"),
    "study": (on_slice(1, StudyInstanceUID="1.2.3"), "2 stacks.*study 043.8.498.1|study 1.2.3"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_unfit_series_are_refused_in_one_line(make_series, name):
    edit, message = REFUSALS[name]
    folder = make_series(slices=5, edit=edit)
    with pytest.raises(InputError, match=message) as caught:
        read_volume(folder)
    text = str(caught.value)
    assert "\n" not in text and "Doe" not in text and "4711" not in text and "file0" not in text


def region(x: float, y: float, units: int = 3, right: int = 8) -> Dataset:
    ds = Dataset()
    ds.RegionLocationMaxX1, ds.RegionLocationMaxY1 = right, 6
    ds.PhysicalUnitsXDirection = ds.PhysicalUnitsYDirection = units
    ds.PhysicalDeltaX, ds.PhysicalDeltaY = x, y
    return ds


@pytest.mark.parametrize(
    ("regions", "spacing"),
    [
        ([region(0.02, 0.03)], (0.2, 0.3)),
        ([region(0.02, -0.03), region(0.5, 0.5, units=4)], (0.2, 0.3)),
        ([region(0.02, 0.03), region(0.04, 0.03)], (1.0, 1.0)),
        ([region(0.0, 0.03)], (1.0, 1.0)),
        ([region(float("nan"), 0.03)], (1.0, 1.0)),
        ([region(0.02, 0.03, right=9)], (1.0, 1.0)),
        ([Dataset()], (1.0, 1.0)),
    ],
)
def test_ultrasound_says_its_pixels_in_regions(make_series, regions, spacing):
    def edit(ds, index):
        del ds.PixelSpacing, ds.SliceThickness
        ds.SequenceOfUltrasoundRegions = regions

    volume = read_volume(make_series(slices=1, edit=edit))
    assert volume.spacing[:2] == pytest.approx(spacing)
    assert ("no size of a pixel" in " ".join(volume.notes)) == (spacing == (1.0, 1.0))

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    ParametricMapStorage,
    RLELossless,
    RTDoseStorage,
    SegmentationStorage,
    VLWholeSlideMicroscopyImageStorage,
)

from monai_diffdenoise.data import ReadOptions, read_volume
from monai_diffdenoise.data.dicom_choose import choose_stack
from monai_diffdenoise.data.dicom_unfit import CutOffError, refuse_size
from monai_diffdenoise.errors import InputError
from tests.data.dicom_builders import clip, enhanced, grid, save


def sample(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"this pydicom comes without {name}")
    return Path(found)


def setter(**values):
    def edit(ds, index):
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return edit


@pytest.mark.parametrize(
    ("sop_class", "message"),
    [
        (SegmentationStorage, "segmentation"),
        (ParametricMapStorage, "parametric map"),
        (RTDoseStorage, "dose"),
        (VLWholeSlideMicroscopyImageStorage, "whole-slide"),
    ],
)
@pytest.mark.parametrize("frames", [1, 3])
def test_classes_that_are_no_scan(make_series, tmp_path, sop_class, message, frames):
    if frames == 1:
        path = make_series(slices=1, edit=setter(SOPClassUID=sop_class))
    else:
        ds = enhanced(grid(frames))
        ds.SOPClassUID = sop_class
        path = save(ds, tmp_path / "a")
    with pytest.raises(InputError, match=message):
        read_volume(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("rtdose.dcm", "dose"), ("liver_1frame.dcm", "segmentation"), ("rtdose_1frame.dcm", "dose")],
)
def test_pydicoms_own_examples(name, message):
    with pytest.raises(InputError, match=message):
        read_volume(sample(name))


@pytest.mark.parametrize(
    "values",
    [{"DimensionOrganizationType": "TILED_FULL"}, {"TotalPixelMatrixColumns": 5000, "TotalPixelMatrixRows": 9}],
)
def test_tiles_of_a_larger_picture(tmp_path, values):
    ds = enhanced(grid(3))
    setter(**values)(ds, 0)
    with pytest.raises(InputError, match="one tile of a larger picture"):
        read_volume(save(ds, tmp_path / "a"))


def test_burned_in_text_is_taken_only_on_demand(make_series):
    folder = make_series(edit=lambda ds, index: setattr(ds, "BurnedInAnnotation", "YES" if index == 1 else "NO"))
    with pytest.raises(InputError, match="number 2 says that text is burned into its pixels.*--burned-in take"):
        read_volume(folder)
    volume = read_volume(folder, options=ReadOptions(burned_in="take"))
    assert volume.image.shape[-1] == 4 and "burned into their pixels" in " ".join(volume.notes)
    plain = read_volume(make_series("no", edit=setter(BurnedInAnnotation="NO")), options=ReadOptions(burned_in="take"))
    assert plain.notes == ()


@pytest.mark.parametrize(
    "name", ["SC_rgb_small_odd.dcm", "SC_ybr_full_422_uncompressed.dcm", "examples_palette.dcm", "SC_rgb_rle_32bit.dcm"]
)
def test_color_is_taken_only_on_demand(name):
    with pytest.raises(InputError, match="is a color image .*--color gray takes its luma"):
        read_volume(sample(name))
    chosen = choose_stack(sample(name), ReadOptions(color="gray"))
    item = chosen.placed.slices[0][0]
    assert (item.samples, item.slope, item.inter, item.padding) == (3, 1.0, 0.0, None)
    assert "their luma was taken" in chosen.notes[0]


def test_color_has_no_rescale_and_no_padding(make_series):
    def edit(ds, index):
        ds.PhotometricInterpretation, ds.SamplesPerPixel, ds.PlanarConfiguration = "RGB", 3, 0
        ds.RescaleSlope, ds.PixelPaddingValue, ds.PixelData = "7", 0, b"\0" * 6 * 8 * 3 * 2

    item = choose_stack(make_series(edit=edit), ReadOptions(color="gray")).placed.slices[0][0]
    assert (item.slope, item.inter, item.padding) == (1.0, 0.0, None)


@pytest.mark.parametrize(
    ("photometric", "samples"), [("CMYK", 4), ("MONOCHROME2", 3), ("RGB", 1), ("HSV", 3), ("Doe\x1b[0m", 3)]
)
def test_colors_that_are_not_known(make_series, photometric, samples):
    with pydicom.config.disable_value_validation():
        folder = make_series(slices=1, edit=setter(PhotometricInterpretation=photometric, SamplesPerPixel=samples))
    with pytest.raises(InputError, match=f"has {samples} values per pixel") as caught:
        read_volume(folder, options=ReadOptions(color="gray"))
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_both_grays_keep_their_numbers(make_series, photometric):
    folder = make_series(slices=1, edit=setter(PhotometricInterpretation=photometric))
    ds = pydicom.dcmread(next(folder.iterdir()))
    assert (read_volume(folder).image[0, :, :, 0].numpy() == ds.pixel_array.T - 1024.0).all()


def test_overlays_with_their_own_data_are_no_reason(make_series):
    def edit(ds, index):
        ds.add_new((0x6000, 0x0100), "US", 1)
        ds.add_new((0x6000, 0x3000), "OW", b"\0" * 6)

    assert read_volume(make_series(edit=edit)).image.shape[-1] == 4


@pytest.mark.parametrize("group", [0x6000, 0x601E])
def test_overlays_inside_the_pixels(make_series, group):
    with pytest.raises(InputError, match="overlay inside its pixel values"):
        read_volume(make_series(edit=lambda ds, index: ds.add_new((group, 0x0100), "US", 16)))


@pytest.mark.parametrize(
    ("held", "pixels", "syntax", "fits"),
    [
        (1000, 1000, ExplicitVRLittleEndian, True),
        (999, 1000, ExplicitVRLittleEndian, False),
        (-5, 1, ExplicitVRLittleEndian, False),
        (100, 16 << 20, JPEG2000Lossless, True),
        (100, (16 << 20) + 1, JPEG2000Lossless, False),
        (1 << 20, 1000 << 20, RLELossless, True),
        (0, 1, RLELossless, False),
    ],
)
def test_sizes(held, pixels, syntax, fits):
    if fits:
        refuse_size(held, pixels, syntax, "slice 7")
    else:
        with pytest.raises(CutOffError, match=f"slice 7 is cut off or damaged: it declares {pixels} bytes"):
            refuse_size(held, pixels, syntax, "slice 7")


def test_unknown_syntax():
    with pytest.raises(InputError, match="unknown transfer syntax '1.2.3'"):
        refuse_size(10, 1, UID("1.2.3"), "slice 7")


def test_lookup_table_of_a_clip(tmp_path):
    ds = clip()
    ds.ModalityLUTSequence = [Dataset()]
    with pytest.raises(InputError, match="lookup table"):
        read_volume(save(ds, tmp_path / "a"))

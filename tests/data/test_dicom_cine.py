# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import (
    MRImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    NuclearMedicineImageStorage,
    OphthalmicTomographyImageStorage,
    UltrasoundMultiFrameImageStorage,
    XRayAngiographicImageStorage,
)

from monai_diffdenoise.data import ReadOptions, read_volume
from monai_diffdenoise.errors import InputError
from tests.data.dicom_builders import clip, save

CLASSES = [
    UltrasoundMultiFrameImageStorage,
    XRayAngiographicImageStorage,
    NuclearMedicineImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    OphthalmicTomographyImageStorage,
    MRImageStorage,
]


@pytest.mark.parametrize("sop_class", CLASSES, ids=lambda uid: uid.name)
def test_frames_are_what_the_user_says(tmp_path, sop_class):
    ds = clip(sop_class=sop_class)
    # The position of the first frame, where some files give one: the others are not there.
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [1, 2, 3], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SpacingBetweenSlices = [0.5, 0.25], 3.0
    path = save(ds, tmp_path / "a")
    pixels = np.frombuffer(ds.PixelData, np.uint8).reshape(5, 6, 8)
    with pytest.raises(InputError, match="5 images of one series have no position in space: say --cine time .* slices"):
        read_volume(path)
    time = read_volume(path, options=ReadOptions(cine="time"))
    assert time.image.shape == (5, 8, 6, 1) and time.spacing == (0.25, 0.5, 3.0) and time.source.layout == "cine"
    np.testing.assert_array_equal(time.image[..., 0], pixels.transpose(0, 2, 1))
    assert time.notes == (
        "5 images without a position in space were taken as time points, in their order in the series",
    )
    space = read_volume(path, options=ReadOptions(cine="slices"))
    assert space.image.shape == (1, 8, 6, 5) and space.source.even
    np.testing.assert_array_equal(space.image[0], pixels.transpose(2, 1, 0))
    np.testing.assert_allclose(np.diag(space.image.affine.numpy()), [-0.25, -0.5, 3, 1])


def test_what_is_not_known_is_said(tmp_path):
    volume = read_volume(save(clip(), tmp_path / "a"), options=ReadOptions(cine="slices"))
    assert volume.spacing == (1.0, 1.0, 1.0)
    text = "; ".join(volume.notes)
    assert "their distance is not known, 1 mm is assumed" in text and "no size of a pixel" in text


def test_one_frame_is_one_picture(tmp_path):
    volume = read_volume(save(clip(1), tmp_path / "a"))
    assert volume.image.shape == (1, 8, 6, 1) and volume.source.layout == "classic"


def test_cine_says_nothing_of_slices_with_a_position(make_series):
    for cine in ("time", "slices"):
        volume = read_volume(make_series(), options=ReadOptions(cine=cine))
        assert volume.image.shape == (1, 8, 6, 4) and volume.notes == ()


def test_pictures_in_a_file_each(make_series):
    def edit(ds, index):
        del ds.ImagePositionPatient, ds.ImageOrientationPatient
        ds.InstanceNumber = 10 - index

    folder = make_series(edit=edit)
    with pytest.raises(InputError, match="4 images .* no position.*give one image at a time"):
        read_volume(folder)
    volume = read_volume(folder, options=ReadOptions(cine="time"))
    assert volume.image.shape == (4, 8, 6, 1) and volume.source.layout == "classic"
    assert [moment[0].moment.instance for moment in volume.source.slices] == [7, 8, 9, 10]


@pytest.mark.parametrize("frames", [0, -1, 6, 10**6])
def test_numbers_of_frames_that_lie(tmp_path, frames):
    ds = clip()
    ds.NumberOfFrames = frames
    with pytest.raises(InputError, match="declares"):
        read_volume(save(ds, tmp_path / "a"), options=ReadOptions(cine="time"))

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Color is read as its luma."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut

from monai_diffdenoise.data.dicom_pixels import read_frame
from monai_diffdenoise.errors import InputError
from tests.data.dicom_pixel_files import both, luma, needs, sample, slice_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


COLOR = {
    "SC_rgb_rle.dcm": "",
    "SC_rgb_rle_16bit_2frame.dcm": "",
    "SC_rgb_rle_32bit_2frame.dcm": "",
    "SC_rgb_small_odd.dcm": "",
    "SC_rgb_small_odd_big_endian.dcm": "",
    "SC_ybr_full_422_uncompressed.dcm": "",
    "SC_rgb_jpeg_gdcm.dcm": "",
    "examples_rgb_color.dcm": "",
    "SC_rgb_gdcm_KY.dcm": "pylibjpeg",
    "GDCMJ2K_TextGBR.dcm": "pylibjpeg",
    "examples_jpeg2k.dcm": "pylibjpeg",
    "SC_rgb_jls_lossy_line.dcm": "pyjpegls",
    "SC_rgb_jls_lossy_sample.dcm": "pyjpegls",
    "SC_rgb_dcmtk_+eb+cr.dcm": "pillow",
    "SC_rgb_dcmtk_+eb+cy+np.dcm": "pillow",
    "SC_rgb_jpeg_dcmtk.dcm": "pillow",
    "examples_ybr_color.dcm": "pillow",
}


@pytest.mark.parametrize("name", COLOR)
def test_color_becomes_its_luma(name):
    if COLOR[name]:
        needs(COLOR[name])
    path, dataset = sample(name), pydicom.dcmread(sample(name))
    frame = int(dataset.get("NumberOfFrames") or 1) - 1
    gray = both(path, frame=frame)
    # JPEG Lossless is what pydicom cannot read by itself; its twin in RLE holds the same picture.
    rgb = (dataset if name != "SC_rgb_jpeg_gdcm.dcm" else pydicom.dcmread(sample("SC_rgb_rle.dcm"))).pixel_array
    rgb = pydicom.pixels.pixel_array(path, index=frame) if name != "SC_rgb_jpeg_gdcm.dcm" else rgb
    np.testing.assert_array_equal(gray, luma(rgb))
    with pytest.raises(InputError, match="color"):
        read_frame(slice_of(path, samples=1))


def test_a_palette_becomes_its_luma(tmp_path):
    path, dataset = sample("examples_palette.dcm"), pydicom.dcmread(sample("examples_palette.dcm"))
    rgb = apply_color_lut(dataset.pixel_array, dataset).astype(float)
    assert rgb.max() > 255  # entries of 16 bits for pixels of 8
    np.testing.assert_allclose(both(path), rgb @ [0.299, 0.587, 0.114] / 257, atol=0.5 + 1e-9)
    dataset.SegmentedRedPaletteColorLookupTableData = b"\0\0"
    dataset.save_as(tmp_path / "x.dcm")
    with pytest.raises(InputError, match="palette is in segments"):
        read_frame(slice_of(tmp_path / "x.dcm"))

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.encaps import get_frame
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLosslessSV1,
)

import monai_diffdenoise.data.dicom_pixels as module
from monai_diffdenoise.data.dicom_pixels import decode_slice, read_frame
from monai_diffdenoise.errors import InputError
from tests.data.dicom_pixel_files import GRAY, both, compress, luma, needs, sample, slice_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


@pytest.mark.parametrize("name", GRAY)
def test_gray_files_are_what_pydicom_reads(name):
    if GRAY[name]:
        needs(GRAY[name])
    dataset = pydicom.dcmread(sample(name))
    np.testing.assert_array_equal(both(sample(name)), dataset.pixel_array)


TWINS = [name for name in GRAY if name.startswith("MR_small_")]


@pytest.mark.parametrize("name", TWINS)
def test_every_encoding_of_one_image_gives_the_same_numbers(name):
    if GRAY[name]:
        needs(GRAY[name])
    np.testing.assert_array_equal(both(sample(name)), both(sample("MR_small.dcm")))


@pytest.mark.parametrize("name", ["rtdose.dcm", "rtdose_rle.dcm", "rtdose_expb.dcm"])
def test_one_frame_of_many(name):
    dataset = pydicom.dcmread(sample(name))
    for frame in (0, 7, 14):
        np.testing.assert_array_equal(both(sample(name), frame=frame), dataset.pixel_array[frame])
    for frame in (15, -1):
        with pytest.raises(InputError, match=r"slice 7 has pixels .*15 frame\(s\)"):
            read_frame(slice_of(sample(name), frame=frame))


def test_a_tile_is_cut_out_and_its_picture_decoded_once(tmp_path, monkeypatch):
    path, whole = sample("MR_small.dcm"), pydicom.dcmread(sample("MR_small.dcm")).pixel_array
    calls = []
    real = module._picture
    monkeypatch.setattr(module, "_picture", lambda pixels, frame: calls.append(1) or real(pixels, frame))
    module._shared_picture.cache_clear()
    for top in (0, 16, 32, 48):
        for left in (0, 32):
            tile = read_frame(slice_of(path, rows=16, columns=32, tile=(top, left)))
            np.testing.assert_array_equal(tile, whole[top : top + 16, left : left + 32])
            tile[:] = 0  # the caller's own
    assert len(calls) == 1
    item = slice_of(path, rows=16, columns=32, tile=(0, 0))
    np.testing.assert_array_equal(decode_slice(pydicom.dcmread(path), item), whole[:16, :32])
    for tile in ((50, 0), (0, 40), (64, 64)):
        with pytest.raises(InputError, match="decodes to the shape"):
            read_frame(slice_of(path, rows=16, columns=32, tile=tile))
    assert module._shared_picture.cache_info().maxsize == 2


def test_threads_share_pictures(tmp_path):
    path, whole = sample("MR_small.dcm"), pydicom.dcmread(sample("MR_small.dcm")).pixel_array
    wrong = []

    def work(left: int) -> None:
        for top in (0, 16, 32, 48) * 10:
            tile = read_frame(slice_of(path, rows=16, columns=8, tile=(top, left)))
            if not np.array_equal(tile, whole[top : top + 16, left : left + 8]):
                wrong.append((top, left))

    threads = [threading.Thread(target=work, args=(8 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_changed_file_is_not_read(tmp_path):
    path = tmp_path / "x.dcm"
    path.write_bytes(sample("MR_small.dcm").read_bytes())
    item = slice_of(path)
    read_frame(item)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(InputError, match="slice 7 changed since it was read"):
        read_frame(item)


def test_bits_above_the_stored_ones_are_cleared(tmp_path):
    dataset = pydicom.dcmread(sample("MR_small.dcm"))
    numbers = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 0, 12, 11
    dataset.PixelData = (numbers | 0xA000).tobytes()
    dataset.save_as(tmp_path / "x.dcm")
    np.testing.assert_array_equal(both(tmp_path / "x.dcm"), numbers)
    dataset.PixelRepresentation = 1
    dataset.save_as(tmp_path / "x.dcm")
    np.testing.assert_array_equal(
        both(tmp_path / "x.dcm"), np.where(numbers < 2048, numbers, numbers.astype(int) - 4096)
    )


@pytest.mark.parametrize("signed", [0, 1])
def test_jpeg_lossless_of_signed_and_unsigned_numbers(tmp_path, encode_jpeg_lossless, signed):
    frame = get_frame(pydicom.dcmread(sample("SC_rgb_jpeg_gdcm.dcm")).PixelData, 0, number_of_frames=1)
    gray = {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0, "Rows": 100}
    path = compress(
        tmp_path / "x.dcm",
        JPEGLosslessSV1,
        [frame, frame],
        **gray,
        Columns=100,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        NumberOfFrames=2,
    )
    expected = both(sample("SC_rgb_rle.dcm"))
    np.testing.assert_array_equal(both(path, frame=1), expected)
    numbers = np.random.default_rng(0).integers(0, 4096, (64, 64))
    path = compress(
        tmp_path / "y.dcm",
        JPEGLosslessSV1,
        [encode_jpeg_lossless(numbers[:, :, None], 12, 1)],
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=signed,
    )
    expected = np.where(numbers < 2048, numbers, numbers - 4096) if signed else numbers
    np.testing.assert_array_equal(both(path), expected)


def test_jpeg2000_in_a_jp2_wrapper(tmp_path):
    needs("pylibjpeg")
    frame = get_frame(pydicom.dcmread(sample("MR_small_jp2klossless.dcm")).PixelData, 0, number_of_frames=1)
    path = compress(tmp_path / "x.dcm", JPEG2000Lossless, [b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\0jp2c" + frame])
    np.testing.assert_array_equal(both(path), both(sample("MR_small.dcm")))


def test_nine_encodings_of_a_real_scan(dev_data):
    needs("pylibjpeg", "pyjpegls")
    folder = dev_data / "C_dcm_transfer_syntaxes"
    pictures = [both(folder / f"{number}.dcm") for number in range(1, 10)]
    assert (
        len({pydicom.dcmread(folder / f"{n}.dcm", specific_tags=[]).file_meta.TransferSyntaxUID for n in range(1, 10)})
        >= 7
    )
    for picture in pictures[1:]:
        np.testing.assert_array_equal(picture, pictures[0])
    assert pictures[0].max() > 1000


@pytest.mark.parametrize(
    "name",
    [
        "C_dcm_ct_siemens_j2k",
        "C_dcm_fakepixels_jpegls",
        "C_dcm_fakepixels_jpeglossless",
        "C_dcm_rgb_j2k",
        "C_dcm_us_sonosite_ybr_30frames",
        "C_dcm_siemens_sola_enhanced_multiframe",
        "C_dcm_philips_enhanced_fieldmap",
    ],
)
def test_other_real_scans(dev_data, name):
    needs("pylibjpeg", "pyjpegls", "pillow")
    for path in sorted((dev_data / name).iterdir()):
        header: FileDataset = pydicom.dcmread(path, stop_before_pixels=True)
        for frame in {0, int(header.get("NumberOfFrames") or 1) - 1}:
            picture = both(path, frame=frame)
            assert picture.std() > 0
            if name != "C_dcm_fakepixels_jpeglossless":
                theirs = pydicom.pixels.pixel_array(path, index=frame)
                np.testing.assert_array_equal(picture, luma(theirs) if theirs.ndim == 3 else theirs)


def test_frames_of_one_item_differ(dev_data):
    path = dev_data / "C_dcm_us_sonosite_ybr_30frames" / "examples_ybr_color.dcm"
    needs("pillow")
    item = slice_of(path)
    assert not np.array_equal(read_frame(item), read_frame(replace(item, frame=12)))

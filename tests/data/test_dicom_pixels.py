# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import apply_color_lut, get_decoder
from pydicom.uid import (
    MPEG2MPML,
    UID,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

import monai_diffdenoise.data.dicom_pixels as module
from monai_diffdenoise.data.dicom_pixels import decode_slice, read_frame, require_decoder
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.errors import InputError


def sample(name: str) -> Path:
    return Path(get_testdata_file(name, download=False))


def slice_of(path: Path, **changed: object) -> Slice:
    """A slice of any DICOM image, whatever its kind."""
    header = pydicom.dcmread(path, stop_before_pixels=True)
    bits, signed = header.BitsStored, header.get("PixelRepresentation", 0)
    fields = {
        "fingerprint": Fingerprint.of(path),
        "label": "slice 7",
        "sop_class": "",
        "sop_instance": "",
        "study": "",
        "series": "",
        "syntax": header.file_meta.TransferSyntaxUID,
        "rows": header.Rows,
        "columns": header.Columns,
        "dtype": np.dtype(f"{'i' if signed else 'u'}{header.BitsAllocated // 8}"),
        "limits": (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1),
        "slope": 1.0,
        "inter": 0.0,
        "padding": None,
        "spacing": None,
        "thickness": None,
        "orientation": None,
        "position": None,
        "samples": 3 if header.SamplesPerPixel == 3 or "PALETTE" in header.PhotometricInterpretation else 1,
    }
    return Slice(**{**fields, **changed})


def needs(*plugins: str) -> None:
    """Skip where a decoder of the extra is not installed."""
    decoders = {"pylibjpeg": JPEG2000Lossless, "pyjpegls": JPEGLSLossless, "pillow": UID("1.2.840.10008.1.2.4.50")}
    for plugin in plugins:
        if plugin not in get_decoder(decoders[plugin]).available_plugins:
            pytest.skip(f"needs {plugin} of the extra dicom-codecs")


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def both(path: Path, **changed: object) -> np.ndarray:
    """Decode a slice from the file and from memory, which must agree."""
    item = slice_of(path, **changed)
    from_file, in_memory = read_frame(item), decode_slice(pydicom.dcmread(path), item)
    np.testing.assert_array_equal(from_file, in_memory)
    assert from_file.dtype == in_memory.dtype == item.dtype
    assert from_file.dtype.isnative
    return from_file


GRAY = {
    "CT_small.dcm": "",
    "image_dfl.dcm": "",
    "MR_small.dcm": "",
    "MR_small_implicit.dcm": "",
    "MR_small_bigendian.dcm": "",
    "MR_small_expb.dcm": "",
    "MR_small_padded.dcm": "",
    "MR_small_RLE.dcm": "",
    "MR_small_jp2klossless.dcm": "pylibjpeg",
    "MR_small_jpeg_ls_lossless.dcm": "pyjpegls",
    "693_J2KI.dcm": "pylibjpeg",
    "J2K_pixelrep_mismatch.dcm": "pylibjpeg",
    "JPEG2000.dcm": "pylibjpeg",
    "JPEGLSNearLossless_08.dcm": "pyjpegls",
    "JPEGLSNearLossless_16.dcm": "pyjpegls",
    "rtdose_1frame.dcm": "",
    "rtdose_rle_1frame.dcm": "",
    "rtdose_expb_1frame.dcm": "",
}


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


def luma(rgb: np.ndarray) -> np.ndarray:
    """0.299 R + 0.587 G + 0.114 B, halves rounded up."""
    red, green, blue = (rgb[..., channel].astype(np.int64) for channel in range(3))
    return (299 * red + 587 * green + 114 * blue + 500) // 1000


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


def compress(path: Path, syntax: UID, frames: list[bytes], **attributes: object) -> Path:
    dataset = pydicom.dcmread(sample("MR_small.dcm"))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


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


@pytest.mark.parametrize("name", ["MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm"])
@pytest.mark.parametrize("damage", ["cut", "size", "empty", "huge"])
def test_hostile_frames_are_an_input_error(tmp_path, name, damage):
    if GRAY[name]:
        needs(GRAY[name])
    dataset = pydicom.dcmread(sample(name))
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    attributes = {}
    if damage == "cut":
        # Half of a JPEG 2000 stream is a picture, if a worse one.
        frame = frame[: 100 if "jp2k" in name else len(frame) // 2]
    elif damage == "size":
        attributes = {"Rows": 32, "Columns": 32}
    elif damage == "huge":
        frame += b"\0" * (3 << 20)
    else:
        frame = b"\0\0"
    path = compress(tmp_path / "x.dcm", dataset.file_meta.TransferSyntaxUID, [frame], **attributes)
    with pytest.raises(InputError, match=r"slice 7 has pixels that cannot be decoded \("):
        read_frame(slice_of(path))


@pytest.mark.parametrize(
    "name", ["MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm", "lossless"]
)
def test_mutated_frames_end_in_numbers_or_an_input_error(tmp_path, encode_jpeg_lossless, name):
    """Each through its real decoder, which must neither crash nor hang nor let another error out."""
    if GRAY.get(name):
        needs(GRAY[name])
    numbers = pydicom.dcmread(sample("MR_small.dcm")).pixel_array.astype(np.uint16)
    syntax, frame = JPEGLosslessSV1, encode_jpeg_lossless(numbers[:, :, None], 16, 1)
    if name != "lossless":
        dataset = pydicom.dcmread(sample(name))
        syntax, frame = dataset.file_meta.TransferSyntaxUID, get_frame(dataset.PixelData, 0, number_of_frames=1)
    rng, ends, started = random.Random(0), set(), time.perf_counter()
    for index in range(100):
        damaged = bytearray(frame)
        for _ in range(rng.choice([1, 3, 20])):
            damaged[rng.randrange(64 if rng.random() < 0.5 else len(damaged))] = rng.randrange(256)
        if rng.random() < 0.2:
            del damaged[rng.randrange(2, len(damaged)) :]
        try:
            read_frame(slice_of(compress(tmp_path / f"{index}.dcm", syntax, [bytes(damaged)])))
            ends.add("decoded")
        except InputError as error:
            assert "slice 7" in str(error)
            ends.add("refused")
    # Hardly any damage to JPEG-LS goes unnoticed.
    assert ends >= ({"refused"} if "ls" in name else {"decoded", "refused"})
    assert time.perf_counter() - started < 30


def test_a_cut_off_jpeg_ls_frame_ends_quickly(tmp_path):
    """Without its end marker this frame kept CharLS busy for eleven seconds."""
    needs("pyjpegls")
    dataset = pydicom.dcmread(sample("MR_small_jpeg_ls_lossless.dcm"))
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    path = compress(tmp_path / "x.dcm", JPEGLSLossless, [frame[:2143]])
    started = time.perf_counter()
    with pytest.raises(InputError, match="cannot be decoded"):
        read_frame(slice_of(path))
    assert time.perf_counter() - started < 3


def test_jpeg2000_in_a_jp2_wrapper(tmp_path):
    needs("pylibjpeg")
    frame = get_frame(pydicom.dcmread(sample("MR_small_jp2klossless.dcm")).PixelData, 0, number_of_frames=1)
    path = compress(tmp_path / "x.dcm", JPEG2000Lossless, [b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\0jp2c" + frame])
    np.testing.assert_array_equal(both(path), both(sample("MR_small.dcm")))


def test_cut_off_and_impossible_plain_pixels(tmp_path):
    for change in ({"Rows": 65}, {"PhotometricInterpretation": "Doe^John"}, {"SamplesPerPixel": 2}):
        dataset = pydicom.dcmread(sample("MR_small.dcm"))
        for keyword, value in change.items():
            setattr(dataset, keyword, value)
        dataset.save_as(tmp_path / "x.dcm")
        with pytest.raises(InputError, match="slice 7") as caught:
            read_frame(slice_of(tmp_path / "x.dcm", rows=dataset.Rows, samples=1))
        assert "Doe" not in str(caught.value)


def test_twelve_bits_of_lossy_jpeg_are_said_plainly():
    needs("pillow")
    if "pylibjpeg" in get_decoder(pydicom.uid.JPEGExtended12Bit).available_plugins:
        pytest.skip("pylibjpeg-libjpeg is there and unpacks it")
    with pytest.raises(InputError, match="lossy JPEG of 12 bits"):
        read_frame(slice_of(sample("JPGExtended.dcm")))


@pytest.mark.parametrize(
    ("syntax", "message"),
    [(JPEGLSLossless, "dicom-codecs"), (HTJ2KLossless, "dicom-codecs"), (MPEG2MPML, "nothing here unpacks")],
)
def test_missing_decoders_are_named_beforehand(monkeypatch, syntax, message):
    monkeypatch.setattr(type(get_decoder(JPEGLSLossless)), "available_plugins", property(lambda self: ("gdcm",)))
    with pytest.raises(InputError, match=message):
        require_decoder(UID(syntax))


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, RLELossless, pydicom.uid.ExplicitVRBigEndian])
def test_decoders_that_are_always_there(syntax):
    require_decoder(UID(syntax))


def test_gdcm_is_never_asked(monkeypatch):
    asked = []
    real = pydicom.pixels.decoders.base.Decoder.as_array

    def as_array(self: object, src: object, **options: object) -> object:
        asked.append(options.get("decoding_plugin"))
        return real(self, src, **options)

    monkeypatch.setattr(pydicom.pixels.decoders.base.Decoder, "as_array", as_array)
    for name, plugin in GRAY.items():
        if plugin in ("", "pylibjpeg") and plugin in ("", *get_decoder(JPEG2000Lossless).available_plugins):
            read_frame(slice_of(sample(name)))
    assert asked and "gdcm" not in asked and set(asked) <= {None, "pydicom", "pylibjpeg"}


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

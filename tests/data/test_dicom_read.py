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
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.errors import InputError


def sample(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"this pydicom comes without {name}")
    return Path(found)


def by_position(folder: Path) -> list[Dataset]:
    return sorted((pydicom.dcmread(p) for p in folder.iterdir()), key=lambda ds: ds.InstanceNumber)


def test_every_slice_has_its_own_rescale(make_series):
    def edit(ds, index):
        ds.RescaleSlope, ds.RescaleIntercept = str(0.001 * (index + 1)), str(33.5 - index)

    folder = make_series(modality="MR", edit=edit)
    volume = read_volume(folder)
    for z, ds in enumerate(by_position(folder)):
        wanted = ds.pixel_array.T.astype(np.float64) * (0.001 * (z + 1)) + (33.5 - z)
        np.testing.assert_array_equal(volume.image[0, :, :, z], wanted.astype(np.float32))


def encoded(folder: Path, syntax: UID) -> None:
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        if syntax == RLELossless:
            ds.compress(RLELossless, generate_instance_uid=False)
        elif syntax == ExplicitVRBigEndian:
            ds.PixelData = ds.pixel_array.astype(">u2").tobytes()
            ds.file_meta.TransferSyntaxUID = syntax
        else:
            ds.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(path, ds, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless]
)
def test_transfer_syntaxes_give_the_same_image(make_series, syntax):
    folder = make_series()
    plain = read_volume(folder)
    encoded(folder, syntax)
    assert torch.equal(read_volume(folder).image, plain.image)


@pytest.mark.parametrize(
    ("packed", "plain"),
    [("MR_small_RLE.dcm", "MR_small.dcm"), ("MR_small_bigendian.dcm", "MR_small.dcm"), ("MR_small_implicit.dcm", None)],
)
def test_pydicoms_own_examples(packed, plain):
    volume = read_volume(sample(packed))
    ds = pydicom.dcmread(sample(plain or packed))
    np.testing.assert_array_equal(volume.image[0, :, :, 0], ds.pixel_array.T)


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
@pytest.mark.parametrize("cleared", [True, False])
def test_bits_above_bits_stored_mean_nothing(make_series, monkeypatch, dtype, cleared):
    def edit(ds, index):
        ds.BitsStored, ds.HighBit = 12, 11
        pixels = np.full((6, 8), 0x0FF0 if index else 0x07F0, "uint16")
        ds.PixelData = (pixels | 0x5000).tobytes()

    if not cleared:
        raw = property(lambda ds: np.frombuffer(ds.PixelData, dtype).reshape(6, 8))
        monkeypatch.setattr(pydicom.Dataset, "pixel_array", raw)
    volume = read_volume(make_series(slices=2, dtype=dtype, edit=edit))
    assert (volume.image[..., 0] + 1024 == 0x07F0).all()
    assert (volume.image[..., 1] + 1024 == (0x0FF0 if dtype == "uint16" else -0x10)).all()


@pytest.mark.parametrize(
    ("changes", "dtype", "slope", "inter"),
    [
        ({}, "int16", 1.0, 0.0),
        ({"RescaleIntercept": "-1024.5"}, "uint16", 1.0, -1024.5),
        ({"RescaleSlope": "0.1"}, "uint16", float(np.float32(0.1)), -1024.0),
    ],
)
def test_encoding_for_nifti(make_series, changes, dtype, slope, inter):
    def edit(ds, index):
        for keyword, value in changes.items():
            setattr(ds, keyword, value)

    native = read_volume(make_series(edit=edit)).source.native
    assert (native.dtype, native.slope, native.inter) == (np.dtype(dtype), slope, inter)


def test_encoding_for_nifti_with_a_rescale_per_slice(make_series):
    volume = read_volume(make_series(edit=lambda ds, index: setattr(ds, "RescaleSlope", str(index + 1))))
    assert volume.source.native.dtype == np.float32


def test_missing_codec_names_the_syntax_and_the_extra(make_series, monkeypatch):
    folder = make_series(slices=1)
    path = next(folder.iterdir())
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = JPEGLSLossless
    ds.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xf7" + b"\0" * 60])
    ds["PixelData"].is_undefined_length = True
    ds.save_as(path)
    monkeypatch.setattr(
        type(pydicom.pixels.get_decoder(JPEGLSLossless)), "available_plugins", property(lambda self: ())
    )
    with pytest.raises(InputError, match="JPEG-LS Lossless.*dicom-codecs"):
        read_volume(folder)


def test_damaged_compressed_pixels(make_series):
    folder = make_series(slices=1)
    encoded(folder, RLELossless)
    path = next(folder.iterdir())
    raw = path.read_bytes()
    path.write_bytes(raw[:-40])
    with pytest.raises(InputError, match="expected|damaged"):
        read_volume(folder)


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_ends_in_an_input_error_or_an_image(make_series, seed):
    folder = make_series(slices=2)
    rng = np.random.default_rng(seed)
    path = folder / "file000"
    raw = bytearray(path.read_bytes())
    for place in rng.integers(132, len(raw), 6):
        raw[place] = rng.integers(256)
    path.write_bytes(raw if seed % 2 else raw[: rng.integers(10, len(raw))])
    try:
        read_volume(folder)
    except InputError as error:
        assert "\n" not in str(error)

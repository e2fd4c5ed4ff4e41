# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_diffdenoise.data import read_volume, write_volume
from monai_diffdenoise.data.encoding import OUTPUT_DTYPES
from monai_diffdenoise.errors import InputError

SHAPE = (5, 6, 4)


def content(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def ramp(shape: tuple[int, ...] = SHAPE, dtype: str = "int16") -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize("name", OUTPUT_DTYPES)
@pytest.mark.parametrize("scaling", [(None, None), (0.37, -52.5)])
def test_values_agree_with_nibabel(make_nifti, name, scaling):
    stored = np.random.default_rng(0).integers(0, 120, SHAPE).astype(name)
    path = make_nifti(stored, slope=scaling[0], inter=scaling[1])
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.image[0], nib.load(path).get_fdata().astype(np.float32))
    assert volume.image.dtype == torch.float32


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [
        ((5, 6), (1, 5, 6)),
        ((5, 6, 4), (1, 5, 6, 4)),
        ((5, 6, 1), (1, 5, 6, 1)),
        ((5, 6, 4, 3), (3, 5, 6, 4)),
        ((5, 6, 1, 3), (3, 5, 6, 1)),
        ((5, 6, 4, 1), (1, 5, 6, 4)),
        ((5, 6, 4, 1, 3), (3, 5, 6, 4)),
        ((5, 6, 4, 1, 1, 1, 2), (2, 5, 6, 4)),
    ],
)
def test_shapes(make_nifti, tmp_path, shape, image_shape):
    stored = ramp(shape)
    volume = read_volume(make_nifti(stored))
    assert volume.image.shape == image_shape
    moved = stored.reshape(*stored.shape[:3], -1) if stored.ndim > 3 else stored[..., None]
    np.testing.assert_array_equal(volume.image, np.moveaxis(moved, -1, 0))
    write_volume(volume.with_image(volume.image + 1), tmp_path / "out.nii")
    image = nib.load(tmp_path / "out.nii")
    assert image.shape == shape
    np.testing.assert_array_equal(np.asarray(image.dataobj), stored + 1)


def test_planes_are_read_in_pieces(make_nifti, tmp_path, monkeypatch):
    monkeypatch.setattr("monai_diffdenoise.data.stored_pixels._BLOCK_VOXELS", 60)
    stored = ramp((5, 6, 7, 3))
    volume = read_volume(make_nifti(stored))
    np.testing.assert_array_equal(volume.image, np.moveaxis(stored, -1, 0))
    write_volume(volume.with_image(volume.image + 1), tmp_path / "out.nii")
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "out.nii").dataobj), stored + 1)


def test_compression_is_seen_from_the_content(make_nifti, tmp_path):
    path = make_nifti(ramp(), "plain.nii")
    path.rename(tmp_path / "plain.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "plain.nii.gz").image[0], ramp())


@pytest.mark.parametrize("keep", [5, 15, 40, -5, -1])
def test_cut_off_gzip_streams_are_refused(make_nifti, tmp_path, keep):
    stored = np.random.default_rng(0).integers(0, 9999, (20, 20, 20)).astype("int16")
    raw = make_nifti(stored).read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(raw[:keep])
    with pytest.raises(InputError):
        read_volume(tmp_path / "cut.nii.gz")


def test_damaged_gzip_stream_is_refused(make_nifti, tmp_path):
    stored = np.random.default_rng(0).integers(0, 9999, (20, 20, 20)).astype("int16")
    raw = bytearray(make_nifti(stored).read_bytes())
    raw[-6] ^= 0xFF  # in the checksum
    (tmp_path / "damaged.nii.gz").write_bytes(raw)
    with pytest.raises(InputError, match="cut off or damaged"):
        read_volume(tmp_path / "damaged.nii.gz")


def test_gzip_of_several_members_and_gzip_named_nii(make_nifti, tmp_path):
    raw = content(make_nifti(ramp()))
    (tmp_path / "two.nii").write_bytes(gzip.compress(raw[:400]) + gzip.compress(raw[400:]))
    volume = read_volume(tmp_path / "two.nii")
    np.testing.assert_array_equal(volume.image[0], ramp())
    write_volume(volume, tmp_path / "out.nii")
    assert (tmp_path / "out.nii").read_bytes() == raw


@pytest.mark.parametrize("packed", [False, True])
def test_bytes_behind_the_voxels_are_passed_over(make_nifti, tmp_path, packed):
    raw = content(make_nifti(ramp()))
    path = tmp_path / ("long.nii.gz" if packed else "long.nii")
    path.write_bytes(gzip.compress(raw + b"tail") if packed else raw + b"tail")
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.image[0], ramp())
    write_volume(volume, tmp_path / "out.nii")
    assert (tmp_path / "out.nii").read_bytes() == raw


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("offset", [0, 16])
def test_pair_is_read_and_becomes_one_file(tmp_path, packed, version, offset):
    image = (nib.Nifti1Pair if version == 1 else nib.Nifti2Pair)(ramp(), np.diag([2.0, 3, 4, 1]))
    image.header["descrip"] = b"of a pair"
    nib.save(image, tmp_path / "pair.img")
    for ending in (".hdr", ".img"):
        raw = (tmp_path / f"pair{ending}").read_bytes()
        if ending == ".hdr":
            header = image.header_class(raw[: image.header_class.sizeof_hdr])
            header["vox_offset"] = offset
            raw = header.binaryblock + raw[header.sizeof_hdr :]
        else:
            raw = bytes(offset) + raw
        (tmp_path / f"pair{ending}").unlink()
        (tmp_path / f"pair{ending}{packed}").write_bytes(gzip.compress(raw) if packed else raw)
    volume = read_volume(tmp_path / f"pair.hdr{packed}")
    np.testing.assert_array_equal(volume.image[0], ramp())
    write_volume(volume.with_image(volume.image + 1), tmp_path / "out.nii.gz")
    back = nib.load(tmp_path / "out.nii.gz")
    assert type(back.header) is (nib.Nifti1Header if version == 1 else nib.Nifti2Header)
    np.testing.assert_array_equal(np.asarray(back.dataobj), ramp() + 1)
    np.testing.assert_array_equal(back.affine, image.affine)
    assert back.header["descrip"] == b"of a pair"
    with pytest.raises(InputError, match=r"two files.*\.nii\.gz"):
        write_volume(volume, tmp_path / "out.hdr")


@pytest.mark.parametrize("name", ["example4d.nii.gz", "example_nifti2.nii.gz", "standard.nii.gz", "functional.nii"])
def test_nibabels_own_examples(tmp_path, name):
    path = Path(nib.__file__).parent / "tests" / "data" / name
    if not path.exists():
        pytest.skip("this nibabel comes without its test data")
    volume = read_volume(path)
    image = nib.load(path)
    data = image.get_fdata().astype(np.float32)
    np.testing.assert_array_equal(volume.image, np.moveaxis(data[..., None] if data.ndim == 3 else data, -1, 0))
    np.testing.assert_allclose(volume.image.affine, image.affine, atol=1e-5)
    write_volume(volume, tmp_path / "out.nii.gz")
    assert content(tmp_path / "out.nii.gz") == content(path)

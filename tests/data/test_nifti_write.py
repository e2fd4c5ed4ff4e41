# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from monai_diffdenoise.data import read_volume, volume_from_array, write_volume
from monai_diffdenoise.data.encoding import OUTPUT_DTYPES
from monai_diffdenoise.errors import InputError

SHAPE = (5, 6, 4)


quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def content(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def ramp(shape: tuple[int, ...] = SHAPE, dtype: str = "int16") -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@quick
@given(data=st.data())
def test_untouched_file_returns_byte_for_byte(make_nifti, data):
    name = data.draw(st.sampled_from(OUTPUT_DTYPES))
    shape = data.draw(st.sampled_from([(4, 3), (4, 3, 2), (4, 3, 1), (3, 2, 2, 3), (3, 2, 1, 1), (3, 2, 2, 1, 2)]))
    finite = st.floats(allow_nan=False, allow_infinity=False, width=64 if name == "float64" else 32)
    stored = data.draw(hnp.arrays(name, shape, elements=finite if name.startswith("float") else None))
    path = make_nifti(
        stored,
        data.draw(st.sampled_from(["in.nii", "in.nii.gz"])),
        slope=data.draw(st.none() | st.floats(-1e5, 1e5, width=32)),
        inter=data.draw(st.floats(-1e6, 1e6, width=32)),
        version=data.draw(st.sampled_from([1, 2])),
        endian=data.draw(st.sampled_from("<>")),
    )
    out = path.with_name(data.draw(st.sampled_from(["out.nii", "out.nii.gz"])))
    try:
        volume = read_volume(path)
    except InputError as error:  # values of 1e300 times the slope may all be beyond float32
        assert "no finite voxel" in str(error)
        return
    write_volume(volume, out, overwrite=True)
    assert content(out) == content(path)


@quick
@given(data=st.data())
def test_changed_voxels_only_change(make_nifti, data):
    """Values as nibabel reads them, before and after, for every number type, scaling, byte order, version, affine."""
    name = data.draw(st.sampled_from(OUTPUT_DTYPES))
    shape = data.draw(st.sampled_from([(4, 3), (4, 3, 2), (3, 2, 2, 3), (3, 2, 1, 1), (3, 2, 2, 1, 2)]))
    top = 100 if name == "int8" else 200
    # Small numbers, so that nibabel's values and ours agree to the digits of float32.
    elements = st.integers(0, top) if "int" in name else st.floats(-top, top, width=32)
    stored = data.draw(hnp.arrays(name, shape, elements=elements))
    slope = data.draw(st.none() | st.sampled_from([0.37, -2.5, 4.0]))
    affine = np.eye(4)
    affine[:3] = data.draw(hnp.arrays(np.float64, (3, 4), elements=st.integers(-9, 9).map(float)))
    affine[:3, :3] += 20 * np.eye(3)[data.draw(st.permutations(range(3)))]
    version, endian = data.draw(st.sampled_from([1, 2])), data.draw(st.sampled_from("<>"))
    path = make_nifti(
        stored, "in.nii", slope=slope, inter=data.draw(st.floats(-9, 9)), version=version, endian=endian, affine=affine
    )
    volume, before = read_volume(path), nib.load(path)
    np.testing.assert_allclose(volume.image.affine, before.affine, rtol=1e-5, atol=1e-4)
    mask = data.draw(hnp.arrays(bool, volume.image.shape))
    # Three steps up on the disk, where there is room, whatever the sign of the slope.
    steps = 3 * (slope or 1.0)
    out = path.with_name("out.nii")
    new = volume.image.numpy() + np.where(mask, np.float32(steps), np.float32(0))
    write_volume(volume.with_image(new), out, overwrite=True)
    after = nib.load(out)
    assert out.read_bytes()[: int(before.header["vox_offset"])] == path.read_bytes()[: int(before.header["vox_offset"])]
    change = after.get_fdata() - before.get_fdata()
    back = np.moveaxis(mask, 0, -1).reshape(shape) if len(shape) > 3 else mask[0]
    assert (np.asarray(after.dataobj.get_unscaled())[~back] == stored[~back]).all()
    np.testing.assert_allclose(change[back], steps, rtol=1e-3)


@pytest.mark.parametrize("intent", ["none", "vector", "displacement vector", "symmetric matrix"])
@pytest.mark.parametrize("shape", [(4, 3, 2, 1, 3), (4, 3, 2, 3), (4, 3, 1, 1, 3)])
def test_parts_of_a_value_are_no_moments(make_nifti, tmp_path, intent, shape):
    path = make_nifti(ramp(shape), edit=lambda h: h.set_intent(intent))
    volume = read_volume(path)
    assert volume.channels == ("component" if len(shape) == 5 or intent != "none" else "time")
    write_volume(volume, tmp_path / "out.nii.gz")
    assert content(tmp_path / "out.nii.gz") == content(path)


@pytest.mark.parametrize("channels", ["time", "component"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 5, 6)])
def test_new_header_says_what_the_channels_are(tmp_path, channels, shape):
    volume = replace(volume_from_array(np.random.default_rng(0).random(shape)), channels=channels)
    write_volume(volume, tmp_path / "out.nii.gz")
    back = read_volume(tmp_path / "out.nii.gz")
    assert back.channels == channels
    image = nib.load(tmp_path / "out.nii.gz")
    assert image.ndim == (5 if channels == "component" else 4)
    assert image.header.get_intent()[0] == ("vector" if channels == "component" else "none")
    np.testing.assert_array_equal(back.image.numpy().reshape(shape), volume.image.numpy())


def test_values_beyond_float32_stay_and_are_told(make_nifti, tmp_path):
    stored = np.array([1e300, -1e300, 1e-300, 1e-45, 2.0, np.nan, np.inf, 1e-9] * 4).reshape(2, 4, 4)
    path = make_nifti(stored)
    volume = read_volume(path)
    assert volume.nonfinite == 16
    assert any(note.startswith("8 values beyond 3.4e38") for note in volume.notes)
    write_volume(volume.with_image(volume.image + 1), tmp_path / "out.nii")
    back = nib.load(tmp_path / "out.nii").get_fdata()
    untouched = ~np.isfinite(stored) | (np.abs(stored) > 1e38)
    np.testing.assert_array_equal(back[untouched], stored[untouched])
    np.testing.assert_allclose(back[~untouched], stored[~untouched] + 1)


def test_values_below_float32_are_told(make_nifti, tmp_path):
    stored = np.linspace(1e-300, 9e-300, 24).reshape(2, 3, 4)
    path = make_nifti(stored)
    volume = read_volume(path)
    assert any(note.startswith("24 values below 1.2e-38") for note in volume.notes)
    write_volume(volume, tmp_path / "out.nii.gz")
    assert content(tmp_path / "out.nii.gz") == content(path)
    assert not read_volume(make_nifti(stored * 1e291, "fine.nii")).notes


@pytest.mark.parametrize("name", ["uint8", "int16", "float32", "float64"])
def test_new_values_go_through_slope_and_intercept(make_nifti, tmp_path, name):
    path = make_nifti(ramp(dtype=name), slope=0.37, inter=-52.5)
    volume = read_volume(path)
    written = write_volume(volume.with_image(volume.image * 0.5), tmp_path / "out.nii.gz")
    image = nib.load(tmp_path / "out.nii.gz")
    assert image.header.get_data_dtype() == name and written.dtype == name
    assert (image.dataobj.slope, image.dataobj.inter) == (np.float32(0.37), -52.5)
    error = np.abs(image.get_fdata() - volume.image[0].numpy() * 0.5).max()
    assert error <= (0.37 / 2 + 1e-5 if "int" in name else 1e-5)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_header_survives_new_values(make_nifti, tmp_path, version, endian):
    def edit(header):
        header["descrip"], header["aux_file"], header["intent_name"] = b"TE=30", b"aux", b"name"
        header.set_intent("z score")
        header.set_dim_info(freq=1, phase=0, slice=2)
        header["pixdim"][4], header["toffset"], header["slice_duration"] = 2.5, 1.5, 0.05
        header["cal_min"], header["cal_max"] = -5, 700
        header["slice_end"], header["slice_code"] = 3, 2

    path = make_nifti(ramp((5, 6, 4, 3)), version=version, endian=endian, edit=edit)
    volume = read_volume(path)
    write_volume(volume.with_image(volume.image + 3), tmp_path / "out.nii.gz")
    old, new = nib.load(path).header, nib.load(tmp_path / "out.nii.gz").header
    assert type(old) is type(new) and old.endianness == new.endianness == endian
    assert content(path)[:352] == content(tmp_path / "out.nii.gz")[:352]
    for header in (old, new):
        assert header.get_zooms()[3] == 2.5 and header.get_xyzt_units() == ("mm", "sec")
        assert header.get_qform(coded=True)[1] == 1 and header.get_sform(coded=True)[1] == 2
    np.testing.assert_array_equal(old.get_sform(), new.get_sform())
    assert nib.load(tmp_path / "out.nii.gz").get_fdata().max() == ramp((5, 6, 4, 3)).max() + 3


def test_extensions_survive(tmp_path):
    image = nib.Nifti1Image(ramp(), np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"kept as it is"))
    nib.save(image, tmp_path / "in.nii.gz")
    volume = read_volume(tmp_path / "in.nii.gz")
    for dtype in (None, "float32"):
        write_volume(volume, tmp_path / "out.nii", output_dtype=dtype, overwrite=True)
        new = nib.load(tmp_path / "out.nii")
        assert new.header.extensions[0].get_content() == image.header.extensions[0].get_content()
        np.testing.assert_array_equal(new.get_fdata(), ramp())


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_nonfinite_voxels_are_filled_counted_and_restored(make_nifti, tmp_path, name):
    stored = ramp(dtype=name)
    stored[1, 2, 1], stored[3, 3, 3], stored[4, 5, 0] = np.nan, np.inf, -np.inf
    volume = read_volume(make_nifti(stored))
    assert torch.isfinite(volume.image).all() and volume.nonfinite == 3
    np.testing.assert_array_equal(volume.finite[0], np.isfinite(stored))
    written = write_volume(volume.with_image(volume.image * 2), tmp_path / "out.nii")
    np.testing.assert_array_equal(nib.load(tmp_path / "out.nii").get_fdata(), stored * 2)
    assert written.restored == 3 and written.clipped == 0
    with pytest.raises(InputError, match="3 NaN or infinite.*float32"):
        write_volume(volume, tmp_path / "int.nii", output_dtype="int16")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["image.nii.gz", "out.nii"]


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_every_kind_of_nan_keeps_its_bits(make_nifti, tmp_path, name, endian):
    stored = ramp(dtype=name)
    bits = stored.view("u4" if name == "float32" else "u8")
    mantissa = 23 if name == "float32" else 52
    top = (0x7F800000 if name == "float32" else 0x7FF0000000000000) | 0
    sign = 1 << (bits.itemsize * 8 - 1)
    # Quiet and signaling, of both signs, with a payload; infinities; a negative zero.
    odd = [top | 1 << (mantissa - 1), top | 1, top | sign | 1 << (mantissa - 1), top | sign | 7, top, top | sign, sign]
    bits.flat[: len(odd)] = odd
    path = make_nifti(stored, endian=endian)
    volume = read_volume(path)
    assert volume.nonfinite == 6
    write_volume(volume, tmp_path / "same.nii.gz")
    assert content(tmp_path / "same.nii.gz") == content(path)
    write_volume(volume.with_image(volume.image * 2), tmp_path / "new.nii")
    back = np.asarray(nib.load(tmp_path / "new.nii").dataobj).astype(name).view(bits.dtype)
    assert back.flat[:6].tolist() == odd[:6]


def test_clipped_values_are_counted_and_warned_about(make_nifti, tmp_path):
    volume = read_volume(make_nifti(ramp(dtype="uint8")))
    with pytest.warns(UserWarning, match="3 of 120 values did not fit uint8"):
        image = volume.image.clone()
        image[0, 0, 0, :3] = torch.tensor([-4.0, 300.0, 256.0])
        written = write_volume(volume.with_image(image), tmp_path / "out.nii")
    assert written.clipped == 3
    assert np.asarray(nib.load(tmp_path / "out.nii").dataobj)[0, 0, :3].tolist() == [0, 255, 255]


@pytest.mark.parametrize("wanted", OUTPUT_DTYPES)
@pytest.mark.parametrize("source", ["int16", "float32"])
@pytest.mark.parametrize("version", [1, 2])
def test_output_dtype(make_nifti, tmp_path, wanted, source, version):
    stored = ramp(dtype=source) - 60
    if source == "float32":
        stored *= 0.013
    path = make_nifti(stored, version=version, endian=">", edit=lambda h: h.__setitem__("cal_max", 7))
    volume = read_volume(path)
    write_volume(volume, tmp_path / "out.nii.gz", output_dtype=wanted)
    image = nib.load(tmp_path / "out.nii.gz")
    assert image.header.get_data_dtype().newbyteorder("=") == wanted
    assert image.header.endianness == ">" and image.header["cal_max"] == 7
    steps = {"uint8": 2**8, "int8": 2**8}.get(wanted, 2**16)
    exact = source == wanted or "float" in wanted or (source == "int16" and not wanted.startswith("u"))
    tolerance = 0 if exact else np.ptp(stored) / steps
    assert np.abs(image.get_fdata() - stored).max() <= tolerance
    if exact and "int" in wanted:
        assert (image.dataobj.slope, image.dataobj.inter) == (1, 0)


def test_same_volume_gives_the_same_bytes(make_nifti, tmp_path):
    volume = read_volume(make_nifti(ramp()))
    write_volume(volume, tmp_path / "a.nii.gz")
    write_volume(volume, tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert b"a.nii" not in (tmp_path / "a.nii.gz").read_bytes()


def test_input_that_changed_is_not_mixed_with_the_result(make_nifti, tmp_path):
    volume = read_volume(make_nifti(ramp()))
    make_nifti(ramp() + 1)
    with pytest.raises(InputError, match="changed since it was read"):
        write_volume(volume, tmp_path / "out.nii.gz")
    assert [p.name for p in tmp_path.iterdir()] == ["image.nii.gz"]


def test_failure_in_the_middle_leaves_nothing(make_nifti, tmp_path, monkeypatch):
    volume = read_volume(make_nifti(ramp()))

    def fail(*_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr("monai_diffdenoise.data.encoded.encode_block", fail)
    with pytest.raises(RuntimeError):
        write_volume(volume, tmp_path / "out.nii.gz")
    assert [p.name for p in tmp_path.iterdir()] == ["image.nii.gz"]

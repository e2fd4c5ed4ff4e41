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
from monai_diffdenoise.errors import InputError

SHAPE = (5, 6, 4)


def content(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def ramp(shape: tuple[int, ...] = SHAPE, dtype: str = "int16") -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("meter", 1000), ("micron", 0.001), ("unknown", 1)])
def test_units_become_millimeters_in_memory_and_stay_on_disk(make_nifti, tmp_path, unit, factor):
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    path = make_nifti(ramp(), affine=affine, edit=lambda header: header.set_xyzt_units(unit))
    volume = read_volume(path)
    np.testing.assert_allclose(volume.spacing, np.array([2, 2, 5]) * factor)
    np.testing.assert_allclose(volume.image.affine[:3], affine[:3] * factor)
    write_volume(volume, tmp_path / "out.nii.gz")
    assert content(tmp_path / "out.nii.gz") == content(path)


@pytest.mark.parametrize("forms", ["both", "qform", "neither"])
def test_affine_is_nibabels(make_nifti, forms):
    def edit(header):
        header["sform_code"] = 2 if forms == "both" else 0
        header["qform_code"] = 0 if forms == "neither" else 1

    path = make_nifti(ramp(), edit=edit)
    np.testing.assert_allclose(read_volume(path).image.affine, nib.load(path).affine, rtol=1e-6)


@pytest.mark.parametrize("damage", ["nan sform", "zero sform", "zero zooms", "nan zooms", "bad qfac"])
def test_unusable_geometry_still_gives_an_invertible_affine(make_nifti, tmp_path, damage):
    def edit(header):
        if "sform" in damage:
            header["srow_x"] = np.nan if "nan" in damage else 0
        if "zooms" in damage:
            header["sform_code"], header["pixdim"][1:4] = 0, np.nan if "nan" in damage else 0
        if damage == "bad qfac":
            header["sform_code"], header["pixdim"][0] = 0, 0

    path = make_nifti(ramp(), edit=edit)
    volume = read_volume(path)
    assert torch.isfinite(volume.image.affine).all() and abs(torch.linalg.det(volume.image.affine)) > 0
    assert all(s > 0 for s in volume.spacing)
    write_volume(volume, tmp_path / "out.nii.gz")
    assert content(tmp_path / "out.nii.gz") == content(path)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("form", ["sform", "qform"])
def test_every_code_of_a_form_counts(make_nifti, form, code):
    other = "qform" if form == "sform" else "sform"

    def edit(header):
        header[f"{form}_code"], header[f"{other}_code"] = code, 0

    path = make_nifti(ramp(), edit=edit)
    volume = read_volume(path)
    np.testing.assert_allclose(volume.image.affine, nib.load(path).affine, rtol=1e-6, atol=1e-5)
    assert not volume.notes


def test_qform_serves_where_the_sform_is_damaged(make_nifti):
    def edit(header):
        header["srow_y"] = np.inf

    path = make_nifti(ramp(), edit=edit)
    volume = read_volume(path)
    np.testing.assert_allclose(volume.image.affine, nib.load(path).header.get_qform(), rtol=1e-6)
    assert "damaged" in volume.notes[0]


def test_left_handed_and_sheared_affines(make_nifti):
    flipped = np.array([[2.0, 0, 0, 5], [0, 3, 0.7, 6], [0, 0, -4, 7], [0, 0, 0, 1]])
    path = make_nifti(ramp(), affine=flipped, edit=lambda h: h.__setitem__("qform_code", 0))
    np.testing.assert_allclose(read_volume(path).image.affine, flipped, rtol=1e-6)
    plain = np.diag([2.0, 3, -4, 1])
    path = make_nifti(ramp(), affine=plain, edit=lambda h: h.__setitem__("sform_code", 0))
    np.testing.assert_allclose(read_volume(path).image.affine, plain, rtol=1e-6, atol=1e-6)


def test_no_geometry_is_told(make_nifti):
    def edit(header):
        header["sform_code"] = header["qform_code"] = 0

    assert "does not say" in read_volume(make_nifti(ramp(), edit=edit)).notes[0]


@pytest.mark.parametrize("dim", [[3, 5, 6, 4, 0, 0, 0, 0], [3, 5, 6, 4, 7, 9, 1, 1], [7, 5, 6, 4, 1, 1, 1, 1]])
def test_axes_beyond_those_that_count(make_nifti, tmp_path, dim):
    path = make_nifti(ramp(), edit=lambda h: h.__setitem__("dim", dim))
    volume = read_volume(path)
    assert volume.image.shape == (1, 5, 6, 4)
    write_volume(volume, tmp_path / "out.nii.gz")
    assert content(tmp_path / "out.nii.gz") == content(path)


def test_slice_axis_comes_from_the_header(make_nifti):
    assert read_volume(make_nifti(ramp())).slice_axis == 2
    assert read_volume(make_nifti(ramp(), edit=lambda h: h.set_dim_info(slice=0))).slice_axis == 0


def refusals() -> dict[str, tuple]:
    """Name -> (how to make the file's bytes from those of a good one, what the message says)."""

    def field(name, value):
        def change(raw):
            header = nib.Nifti1Header(raw[:348], check=False)
            header[name] = value
            return header.binaryblock + raw[348:]

        return change

    return {
        "empty": (lambda raw: b"", "empty"),
        "three bytes": (lambda raw: raw[:3], "cut off"),
        "text": (lambda raw: b"this is a text file, not an image" * 20, "not a NIfTI"),
        "half a header": (lambda raw: raw[:200], "inside its header"),
        "header only": (lambda raw: raw[:349], "before its pixels"),
        "half the voxels": (lambda raw: raw[:400], "cut off"),
        "one byte short": (lambda raw: raw[:-1], "cut off"),
        "analyze": (field("magic", b""), "ANALYZE"),
        "pair": (field("magic", b"ni1"), "pair"),
        "no axes": (field("dim", [0, 5, 6, 4, 1, 1, 1, 1]), "0 axes"),
        "300 axes": (field("dim", [300, 5, 6, 4, 1, 1, 1, 1]), "300 axes"),
        "one axis": (field("dim", [1, 120, 1, 1, 1, 1, 1, 1]), "one axis"),
        "zero size": (field("dim", [3, 5, 0, 4, 1, 1, 1, 1]), r"\(5, 0, 4\)"),
        "negative size": (field("dim", [3, -1, 6, 4, 1, 1, 1, 1]), "at least 1"),
        "five axes": (field("dim", [5, 5, 6, 1, 2, 2, 1, 1]), "at most one axis"),
        "huge": (field("dim", [4, 32767, 32767, 32767, 32767, 1, 1, 1]), "declares"),
        "rgb": (field("datatype", 128), "color"),
        "rgba": (field("datatype", 2304), "color"),
        "complex": (field("datatype", 32), "complex"),
        "long double": (field("datatype", 1536), "unknown type"),
        "binary": (field("datatype", 1), "unknown type"),
        "no such type": (field("datatype", 3), "unknown type"),
        "offset": (field("vox_offset", 0), "byte 0"),
        "fractional offset": (field("vox_offset", 352.5), "byte 352.5"),
        "huge offset": (field("vox_offset", 1e12), "byte 1e"),
        "nan offset": (field("vox_offset", np.nan), "byte nan"),
        "bad intercept": (lambda raw: field("scl_inter", np.nan)(field("scl_slope", 2)(raw)), "intercept"),
    }


@pytest.mark.parametrize("name", refusals())
@pytest.mark.parametrize("packed", [False, True])
def test_bad_files_are_refused_in_one_line(make_nifti, tmp_path, name, packed):
    damage, message = refusals()[name]
    raw = damage(make_nifti(ramp(), "good.nii").read_bytes())
    path = tmp_path / "bad.nii.gz"
    path.write_bytes(gzip.compress(raw) if packed and raw else raw)
    with pytest.raises(InputError, match=message) as caught:
        read_volume(path)
    assert "\n" not in str(caught.value) and "bad.nii.gz" in str(caught.value)

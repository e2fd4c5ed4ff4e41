# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_diffdenoise.data import read_volume, volume_from_array, write_volume
from monai_diffdenoise.data.volume import pick_slice_axis
from monai_diffdenoise.errors import InputError


def test_array_becomes_a_volume():
    array = np.arange(24, dtype=np.int16).reshape(1, 2, 3, 4)
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    volume = volume_from_array(array, affine)
    assert isinstance(volume.image, MetaTensor) and volume.image.dtype == torch.float32
    assert volume.spacing == (2.0, 2.0, 5.0) and volume.slice_axis == 2 and volume.spatial_dims == 3
    np.testing.assert_array_equal(volume.image.affine, affine)
    np.testing.assert_array_equal(volume.image, array)
    assert volume.finite is None and volume.nonfinite == 0


def test_meta_tensor_brings_its_affine():
    affine = torch.diag(torch.tensor([3.0, 2.0, 1.0, 1.0], dtype=torch.float64))
    assert volume_from_array(MetaTensor(torch.rand(1, 4, 4, 4), affine=affine)).spacing == (3.0, 2.0, 1.0)


@pytest.mark.parametrize("shape", [(4, 4), (1, 2, 3, 4, 5), (1, 0, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="expected"):
        volume_from_array(np.zeros(shape))
    with pytest.raises(InputError, match="affine"):
        volume_from_array(np.zeros((1, 4, 4)), np.eye(3))


def test_with_image_keeps_everything_else():
    volume = volume_from_array(np.random.rand(1, 4, 5, 6), np.diag([2.0, 2.0, 5.0, 1.0]))
    new = volume.with_image(MetaTensor(torch.ones(1, 4, 5, 6, dtype=torch.float64, requires_grad=True)))
    assert new.source is volume.source and new.spacing == volume.spacing
    assert new.image.dtype == torch.float32 and not new.image.requires_grad
    assert torch.equal(new.image.affine, volume.image.affine)
    assert (new.image == 1).all() and not (volume.image == 1).all()


def test_with_image_refuses_other_shapes_and_nonfinite_values():
    volume = volume_from_array(np.zeros((1, 4, 5, 6)))
    with pytest.raises(InputError, match=r"\(1, 5, 4, 6\): expected \(1, 4, 5, 6\)"):
        volume.with_image(torch.zeros(1, 5, 4, 6))
    bad = torch.zeros(1, 4, 5, 6)
    bad[0, 0, 0, :2] = float("nan")
    with pytest.raises(InputError, match="2 NaN"):
        volume.with_image(bad)


@pytest.mark.parametrize("run", [1, 1 << 20])
def test_range_of_the_values_leaves_out_what_was_filled(run, monkeypatch):
    monkeypatch.setattr("monai_diffdenoise.data.storage._RUN_VOXELS", run)
    array = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    assert volume_from_array(array).value_range == (array.min(), array.max())
    array[0, 1, 2, 3] = np.nan
    volume = volume_from_array(array)
    image = volume.image.as_tensor().clone()
    image[0, 1, 2, 3] = 99.0
    assert volume.with_image(image).value_range == (np.nanmin(array), np.nanmax(array))


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy, lambda a: a[::-1][::-1], lambda a: a.astype(">f8")])
def test_an_array_is_copied_once_and_its_voxels_without_a_value_return(make):
    array = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    given = make(array)
    volume = volume_from_array(given)
    assert volume.source.array is not array and np.shares_memory(volume.source.array, volume.image.numpy())
    array[0, 1, 2, 3] = np.inf
    assert np.isfinite(volume.image.numpy()).all()
    volume = volume_from_array(make(array))
    assert not np.shares_memory(volume.source.array, volume.image.numpy())
    np.testing.assert_array_equal(volume.source.array, array)
    assert volume.nonfinite == 1


def test_slices_lie_one_behind_the_other(make_nifti):
    volume = read_volume(make_nifti(np.ones((4, 5, 6, 2), np.int16)))
    assert volume.image.as_tensor().movedim(volume.slice_axis + 1, 1).is_contiguous()


def test_summary_is_plain_json_without_paths(make_nifti):
    path = make_nifti(np.ones((4, 5, 6), np.int16), "doe_john.nii")
    text = json.dumps(read_volume(path).summary())
    assert "doe" not in text and json.loads(text)["stored_dtype"] == "int16"


@pytest.mark.parametrize(
    ("shape", "spacing", "stated", "axis"),
    [
        ((9, 9, 9), (1, 1, 1), None, 2),
        ((9, 9, 9), (1, 1, 1), 0, 0),
        ((9, 9, 9), (4, 1, 1), None, 0),
        ((9, 9, 9), (1, 1.2, 1), None, 2),
        ((9, 1, 9), (1, 1, 3), None, 1),
        ((9, 9, 1), (3, 1, 1), None, 2),
        ((9, 1, 1), (1, 1, 1), None, 2),
        ((9, 9), (1, 1), 2, 1),
    ],
)
def test_slice_axis(shape, spacing, stated, axis):
    assert pick_slice_axis(shape, spacing, stated) == axis


@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 4, 5), (1, 4, 5, 6), (3, 4, 5, 6)])
def test_array_volume_is_written_and_read_back(tmp_path, shape):
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    array.flat[3] = np.nan
    volume = volume_from_array(array, np.diag([2.0, -1.5, 5.0, 1.0]))
    assert volume.nonfinite == 1
    write_volume(volume, tmp_path / "x.nii.gz")
    back = read_volume(tmp_path / "x.nii.gz")
    assert back.nonfinite == 1
    values = back.image.numpy()
    # Channels of a plane come back with the third axis of space that NIfTI needs before the fourth.
    np.testing.assert_array_equal(values.reshape(shape), volume.image.numpy())
    np.testing.assert_allclose(back.image.affine, volume.image.affine, atol=1e-6)

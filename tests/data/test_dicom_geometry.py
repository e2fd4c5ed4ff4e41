# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from pydicom.dataset import Dataset

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.errors import InputError


def by_position(folder: Path) -> list[Dataset]:
    return sorted((pydicom.dcmread(p) for p in folder.iterdir()), key=lambda ds: ds.InstanceNumber)


def test_slices_are_sorted_in_space_not_by_name(make_series):
    folder = make_series(slices=7)
    volume = read_volume(folder)
    assert volume.image.shape == (1, 8, 6, 7) and volume.slice_axis == 2 and volume.finite is None
    for z, ds in enumerate(by_position(folder)):
        np.testing.assert_array_equal(volume.image[0, :, :, z], ds.pixel_array.T - 1024.0)
    # PixelSpacing is [between rows, between columns]: y, then x.
    assert volume.spacing == (0.75, 0.5, 2.5)


def test_sorting_needs_no_instance_numbers(make_series):
    def reverse(ds, index):
        ds.InstanceNumber = None if index == 2 else 100 - index

    plain, odd = read_volume(make_series("a")), read_volume(make_series("b", edit=reverse))
    assert torch.equal(plain.image, odd.image)


ORIENTATIONS = {
    "axial": [1, 0, 0, 0, 1, 0],
    "sagittal": [0, 1, 0, 0, 0, -1],
    "coronal": [1, 0, 0, 0, 0, -1],
    "oblique": [0.6, 0.8, 0, 0.48, -0.36, -0.8],
}


@pytest.mark.filterwarnings("ignore:The DICOM readers are highly experimental")
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("tilt", [0.0, 1.2])
def test_affine_agrees_with_nibabel(make_series, orientation, tilt):
    from nibabel.nicom import dicomwrappers as wrappers

    cosines = np.array(ORIENTATIONS[orientation], float)
    normal = np.cross(cosines[:3], cosines[3:])
    step = tuple(-3.0 * normal + tilt * cosines[3:])

    def edit(ds, index):
        ds.ImageOrientationPatient = list(cosines)

    volume = read_volume(make_series(step=step, slices=3, edit=edit))
    for z, item in enumerate(volume.source.slices[0]):
        # nibabel counts (row, column) and speaks LPS.
        theirs = np.diag([-1, -1, 1, 1]) @ wrappers.wrapper_from_file(item.fingerprint.path).affine
        for x, y in ((0, 0), (7, 0), (3, 5)):
            ours = volume.image.affine.numpy() @ [x, y, z, 1]
            np.testing.assert_allclose(ours, theirs @ [y, x, 0, 1], atol=1e-4)
    assert volume.spacing[2] == pytest.approx(3.0)
    assert np.linalg.det(volume.image.affine.numpy()) > 0


def test_projection_image_without_position(make_series):
    def edit(ds, index):
        del ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.PixelSpacing, ds.SliceThickness
        ds.ImagerPixelSpacing = [0.2, 0.1]

    folder = make_series(slices=1, edit=edit)
    volume = read_volume(folder)
    assert volume.spacing == (0.1, 0.2, 1.0)
    np.testing.assert_allclose(volume.image.affine, np.diag([-0.1, -0.2, 1, 1]))
    with pytest.raises(InputError, match="no position"):
        read_volume(make_series("many", slices=3, edit=edit))


def test_slices_of_different_sizes(make_series):
    def edit(ds, index):
        if index == 1:
            ds.Rows, ds.Columns = 8, 6

    with pytest.raises(InputError, match="different sizes .6x8, 8x6"):
        read_volume(make_series(edit=edit))


def test_copies_of_a_file_are_named_as_such(make_series):
    folder = make_series()
    shutil.copy(folder / "file000", folder / "copy")
    with pytest.raises(InputError, match="1 of 5 slices share their position.*copies of the same file"):
        read_volume(folder)

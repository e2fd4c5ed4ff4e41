# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from pydicom.dataset import Dataset

from monai_diffdenoise.data import ReadOptions, read_volume
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

    with pytest.raises(InputError, match="2 stacks.*1: 8x6, 3 .*2: 6x8, 1 "):
        read_volume(make_series(edit=edit))


GAPS = {
    "one": ([3], "5 slices, usually 2.5 mm apart, but 1 missing between .* number 3 and .* number 5"),
    "one of four": ([2], "3 slices, usually 2.5 mm apart, but 1 missing between .* number 2 and .* number 4"),
    "two together": ([2, 3], "but 2 missing between .* number 2 and .* number 5"),
    "two apart": ([1, 4], "but 2 missing between .* number 1 and .* number 3 and in 1 other gap"),
}


@pytest.mark.parametrize("name", GAPS)
def test_missing_slices_are_named_or_taken(make_series, name):
    lost, message = GAPS[name]
    count = {"one": 6, "one of four": 4}.get(name, 8)
    folder = make_series(slices=count, edit=lambda ds, index: index not in lost)
    with pytest.raises(InputError, match=message + ".*; --uneven take"):
        read_volume(folder)
    volume = read_volume(folder, options=ReadOptions(uneven="take"))
    assert not volume.source.even and volume.spacing[2] == 2.5
    assert "usually 2.5 mm apart" in volume.notes[0] and len(volume.notes) == 1
    positions = np.array([item.position for item in volume.source.slices[0]])
    np.testing.assert_allclose(
        volume.image.affine[:3, 2], (positions[-1] - positions[0]) / (len(positions) - 1) * [-1, -1, 1]
    )
    kept = [k + 1 for k in range(count) if k not in lost]
    assert [item.moment.instance for item in volume.source.slices[0]] == kept


def test_uneven_slices_that_are_not_a_multiple(make_series):
    def edit(ds, index):
        ds.ImagePositionPatient = [0, 0, 2.5 * index + (0.8 if index == 2 else 0)]

    folder = make_series(slices=5, edit=edit)
    with pytest.raises(InputError, match="2 gap.s. of 1.7 to 3.3 mm"):
        read_volume(folder)
    assert not read_volume(folder, options=ReadOptions(uneven="take")).source.even


def test_positions_in_few_digits_are_even(make_series):
    """Some scanners round the positions of oblique slices: their distances differ by two percent."""
    places = [0.0, 6.97, 14.04, 21.0, 28.0]
    volume = read_volume(
        make_series(slices=5, edit=lambda ds, index: setattr(ds, "ImagePositionPatient", [0, 0, places[index]]))
    )
    assert volume.source.even and volume.notes == () and volume.spacing[2] == pytest.approx(7.0)


def test_uneven_says_nothing_of_even_series(make_series):
    volume = read_volume(make_series(), options=ReadOptions(uneven="take"))
    assert volume.source.even and volume.notes == ()


def test_tilted_and_uneven(make_series):
    folder = make_series(slices=6, step=(0.0, 1.1, 2.5), edit=lambda ds, index: index != 3)
    volume = read_volume(folder, options=ReadOptions(uneven="take"))
    assert volume.image.shape[-1] == 5 and not volume.source.even


@pytest.mark.parametrize("step", [2.5, 0.02])
def test_thin_slices_are_not_one_position(make_series, step):
    def edit(ds, index):
        ds.PixelSpacing = [0.01, 0.01] if step < 1 else [0.5, 0.75]

    volume = read_volume(make_series(step=(0.0, 0.0, step), edit=edit))
    assert volume.image.shape == (1, 8, 6, 4) and volume.spacing[2] == pytest.approx(step)

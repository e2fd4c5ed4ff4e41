# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest
import torch

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.errors import InputError
from tests.data.dicom_builders import enhanced, grid, save

NOTE = "{} file(s) are copies of another one, with the same pixels, and were left out"


def test_copies_are_kept_once(make_series):
    folder = make_series()
    plain = read_volume(folder)
    shutil.copy(folder / "file000", folder / "a copy")
    shutil.copytree(folder, folder / "again")
    volume = read_volume(folder)
    assert torch.equal(volume.image, plain.image) and volume.notes == (NOTE.format(6),)
    assert len({item.sop_instance for item in volume.source.all_slices}) == 4


def changed(folder, **values):
    ds = pydicom.dcmread(folder / "file000")
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    ds.save_as(folder / "copy")


def test_a_copy_may_say_other_names(make_series):
    folder = make_series()
    changed(folder, InstitutionName="Another hospital", PatientID="1")
    assert read_volume(folder).notes == (NOTE.format(1),)


@pytest.mark.parametrize(
    "values",
    [
        {"ImagePositionPatient": [0, 0, 77]},
        {"RescaleIntercept": "-1000"},
        {"InstanceNumber": 99},
        {"PixelData": np.zeros((6, 8), np.uint16).tobytes()},
    ],
    ids=lambda values: next(iter(values)),
)
def test_one_instance_of_two_contents_is_refused(make_series, values):
    folder = make_series()
    changed(folder, **values)
    with pytest.raises(InputError, match="two files claim to be the same instance .instance number .* but differ"):
        read_volume(folder)


def test_a_cut_off_copy_is_only_damaged(make_series):
    folder = make_series()
    (folder / "copy").write_bytes((folder / "file001").read_bytes()[:-30])
    volume = read_volume(folder)
    assert volume.image.shape[-1] == 4 and "cut off" in volume.notes[0] and len(volume.notes) == 1


def test_files_without_an_instance_are_all_kept(make_series):
    def edit(ds, index):
        ds.SOPInstanceUID, ds.file_meta.MediaStorageSOPInstanceUID = "", "1.2.3"
        ds.TemporalPositionIdentifier = index // 2
        ds.ImagePositionPatient = [0, 0, 2.5 * (index % 2)]

    assert read_volume(make_series(edit=edit)).image.shape == (2, 8, 6, 2)


def test_objects_of_many_frames(tmp_path):
    one, other = enhanced(grid(3)), enhanced(grid(3))
    save(one, tmp_path / "a")
    save(one, tmp_path / "b")
    assert read_volume(tmp_path).notes == (NOTE.format(1),)
    other.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0].ImagePositionPatient = [-5, -6, 2.6]
    save(other, tmp_path / "b")
    with pytest.raises(InputError, match="same instance"):
        read_volume(tmp_path)

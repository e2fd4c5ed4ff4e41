# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which objects a written series has: time points, numbers, positions, one file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from monai_diffdenoise.data import Volume, read_volume, write_volume
from monai_diffdenoise.data.dicom_write import check_dicom, is_dicom_name, write_dicom
from monai_diffdenoise.errors import InputError
from tests.data.dicom_out_builders import hand_volume


def by_file(volume: Volume, out: Path) -> list[tuple[Dataset, Dataset]]:
    """Source and derived dataset of every file, in the order of time and position."""
    items = volume.source.all_slices
    assert [p.name for p in sorted(out.iterdir())] == [f"IM{k + 1:04d}.dcm" for k in range(len(items))]
    return [
        (pydicom.dcmread(item.fingerprint.path), pydicom.dcmread(path))
        for item, path in zip(items, sorted(out.iterdir()), strict=True)
    ]


def in_time(volume: Volume, times: int) -> Volume:
    """The slices of a series as time points of a shorter stack, which is how they are numbered."""
    items = volume.source.slices[0]
    length = len(items) // times
    slices = [items[k * length : (k + 1) * length] for k in range(times)]
    return hand_volume(volume.source.path, slices, "classic")


def test_all_time_points_are_written(make_series, tmp_path):
    volume = in_time(read_volume(make_series(slices=6)), 3)
    image = volume.image.clone()
    for time in range(3):
        image[time] += time
    write_volume(volume.with_image(image), tmp_path / "out")
    for index, (old, new) in enumerate(by_file(volume, tmp_path / "out")):
        np.testing.assert_array_equal(new.pixel_array, old.pixel_array + index // 2)
        assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
        assert new.ImagePositionPatient == old.ImagePositionPatient
    assert len({new.SOPInstanceUID for _, new in by_file(volume, tmp_path / "out")}) == 6


@pytest.mark.parametrize(
    ("numbers", "wanted"),
    [
        ([8, 7, 6, 5], [8, 7, 6, 5]),
        ([1, 2, 1, 2], [1, 2, 3, 4]),
        ([1, None, 2, 3], [1, 2, 3, 4]),
        (["", "", "", ""], [1, 2, 3, 4]),
    ],
)
def test_instance_numbers_are_unique(make_series, tmp_path, numbers, wanted):
    def edit(ds, index):
        ds.InstanceNumber = numbers[index]

    volume = read_volume(make_series(edit=edit))
    write_volume(volume, tmp_path / "out")
    assert [new.InstanceNumber for _, new in by_file(volume, tmp_path / "out")] == wanted


def test_source_instances_that_share_a_uid_get_their_own(make_series, tmp_path):
    volume = read_volume(make_series())
    slices = [[replace(item, sop_instance="1.2.3") for item in volume.source.slices[0]]]
    write_volume(hand_volume(volume.source.path, slices, "classic"), tmp_path / "out")
    assert len({pydicom.dcmread(path).SOPInstanceUID for path in (tmp_path / "out").iterdir()}) == 4


def test_uneven_slices_keep_their_own_positions(make_series, tmp_path):
    volume = read_volume(make_series())
    volume.source.__dict__["even"] = False
    write_volume(volume.with_image(volume.image + 1), tmp_path / "out")
    for old, new in by_file(volume, tmp_path / "out"):
        assert new.ImagePositionPatient == old.ImagePositionPatient


def test_one_file_for_a_series_of_one(make_series, tmp_path):
    volume = read_volume(make_series(slices=1))
    written = write_dicom(volume.with_image(volume.image + 1), tmp_path / "out.dcm")
    assert written.path == tmp_path / "out.dcm" and is_dicom_name(tmp_path / "OUT.DCM")
    new = pydicom.dcmread(tmp_path / "out.dcm")
    np.testing.assert_array_equal(new.pixel_array.T[None, ..., None] - 1024.0, volume.image.numpy() + 1)
    with pytest.raises(InputError, match="exists already"):
        write_dicom(volume, tmp_path / "out.dcm")
    write_dicom(volume, tmp_path / "out.dcm", overwrite=True)
    # The same object as in a folder.
    write_dicom(volume, tmp_path / "folder")
    single, other = (pydicom.dcmread(p) for p in (tmp_path / "out.dcm", tmp_path / "folder" / "IM0001.dcm"))
    assert single.SOPInstanceUID == other.SOPInstanceUID and single.PixelData == other.PixelData


def test_one_file_for_a_series_of_several_is_refused(make_series, tmp_path):
    volume = read_volume(make_series())
    with pytest.raises(InputError, match="one DICOM file, but the series has 4: name a folder"):
        write_dicom(volume, tmp_path / "out.dcm")
    with pytest.raises(InputError, match="name a folder"):
        check_dicom(volume, "out.dcm")
    assert not (tmp_path / "out.dcm").exists()

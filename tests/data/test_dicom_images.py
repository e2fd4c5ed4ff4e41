# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom.uid import BreastTomosynthesisImageStorage, CTImageStorage, MRImageStorage, SecondaryCaptureImageStorage

from monai_diffdenoise.data import ReadOptions, dicom_images, read_volume
from monai_diffdenoise.data.dicom_choose import choose_stack
from monai_diffdenoise.data.dicom_images import images_in
from monai_diffdenoise.data.dicom_kind import Moment
from monai_diffdenoise.data.dicom_series import find_series
from monai_diffdenoise.data.dicom_slice import parse_slice
from tests.data.dicom_builders import clip, enhanced, grid, save


def one(path):
    return find_series(path).files[0]


@pytest.mark.parametrize("sop_class", [CTImageStorage, SecondaryCaptureImageStorage])
@pytest.mark.parametrize("frames", [None, 1, ""])
def test_a_single_frame_is_classic(make_series, sop_class, frames):
    def edit(ds, index):
        ds.SOPClassUID, ds.NumberOfFrames = sop_class, frames

    volume = read_volume(make_series(edit=edit))
    assert volume.image.shape == (1, 8, 6, 4) and volume.source.layout == "classic"


@pytest.mark.parametrize("sop_class", [MRImageStorage, BreastTomosynthesisImageStorage])
def test_groups_count_whatever_the_class(tmp_path, sop_class):
    ds = enhanced(grid(3))
    ds.SOPClassUID = sop_class
    volume = read_volume(save(ds, tmp_path / "a"))
    assert volume.source.layout == "enhanced" and volume.image.shape == (1, 8, 6, 3)


def test_frames_that_were_a_mosaic_once(tmp_path):
    ds = enhanced(grid(3))
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]
    assert read_volume(save(ds, tmp_path / "a")).image.shape == (1, 8, 6, 3)


def test_one_enhanced_frame_per_file(tmp_path):
    for number, facts in enumerate(grid(3, slope=2.0)):
        save(enhanced([facts], number=number + 1, seed=number), tmp_path / f"{5 - number}")
    volume = read_volume(tmp_path)
    assert volume.image.shape == (1, 8, 6, 3) and volume.source.layout == "enhanced"
    assert [item.slope for item in volume.source.slices[0]] == [2.0] * 3


def test_layouts(make_series, tmp_path):
    layouts = {
        "classic": make_series(slices=1),
        "enhanced": save(enhanced(grid(2)), tmp_path / "e"),
        "cine": save(clip(2), tmp_path / "c"),
    }
    for layout, path in layouts.items():
        images = images_in(one(path), ReadOptions())
        assert images.layout == layout
        assert [item.frame for item in images.slices] == list(range(len(images.slices)))


def test_tiles_of_a_mosaic_become_slices_in_time(make_series, monkeypatch):
    """Each picture is a volume: its tiles have one moment and lie one behind the other."""

    def edit(ds, index):
        ds.ImageType, ds.ImagePositionPatient = ["ORIGINAL", "PRIMARY", "M", "MOSAIC"], [0, 0, 0]
        ds.AcquisitionNumber = 10 - index

    def tiles(file):
        whole = parse_slice(file)
        return [
            replace(whole, rows=3, columns=4, tile=(3 * (k // 2), 4 * (k % 2)), position=whole.position + [0, 0, 2 * k])
            for k in range(4)
        ]

    monkeypatch.setattr(dicom_images, "mosaic_slices", tiles)
    chosen = choose_stack(make_series(modality="MR", slices=3, edit=edit), ReadOptions())
    placed = chosen.placed
    assert chosen.layout == "mosaic" and placed.spacing == (0.75, 0.5, 2.0)
    assert [[item.tile for item in volume] for volume in placed.slices] == [[(0, 0), (0, 4), (3, 0), (3, 4)]] * 3
    assert [Moment(*volume[0].moment).acquisition for volume in placed.slices] == [8, 9, 10]

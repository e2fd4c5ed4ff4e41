# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""dciodvfy finds no error in a derived object that the source does not have."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.dicom_conformance import complaints, new_errors, stacks, trip
from monai_diffdenoise.data import read_volume, write_volume
from monai_diffdenoise.data.dicom_write import write_dicom
from tests.data.dicom_out_builders import (
    describe,
    enhanced_frames,
    hand_volume,
    make_cine,
    make_enhanced,
    make_mosaic,
    mosaic_volume,
)
from tests.data.test_dicom_classes import CLASSES
from tests.data.test_dicom_derive_groups import stack

pytestmark = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_classic(make_series, tmp_path, modality):
    volume = read_volume(make_series(modality=modality))
    write_volume(volume.with_image(volume.image + 1), tmp_path / "out", derivation="ns-n2n")
    for item, path in zip(volume.source.all_slices, sorted((tmp_path / "out").iterdir()), strict=True):
        # What the tests make is without error; else the comparison would say little.
        assert not complaints(item.fingerprint.path)
        assert not new_errors(path, item.fingerprint.path)


@pytest.mark.parametrize("name", CLASSES)
def test_other_classes(make_series, tmp_path, name):
    def edit(ds, index):
        sop_class, ds.Modality, attributes = CLASSES[name]
        ds.SOPClassUID = sop_class
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)

    volume = read_volume(make_series(modality="MR", slices=1, edit=edit))
    write_volume(volume.with_image(volume.image + 1), tmp_path / "out")
    assert not new_errors(tmp_path / "out" / "IM0001.dcm", volume.source.all_slices[0].fingerprint.path)


@pytest.mark.parametrize("component", [0, 1])
def test_enhanced_mr(tmp_path, component):
    path = make_enhanced(tmp_path / "mr.dcm")
    volume = hand_volume(path, stack(path, component), "enhanced")
    write_dicom(volume.with_image(volume.image + 1), tmp_path / "out.dcm", derivation="ns-n2n")
    assert not complaints(path) and not complaints(tmp_path / "out.dcm")


def test_enhanced_ct(tmp_path):
    path = make_enhanced(tmp_path / "ct.dcm", "CT", times=1)
    volume = hand_volume(path, [sorted(enhanced_frames(path), key=lambda f: f.position[2])], "enhanced")
    write_dicom(volume.with_image(volume.image + 1), tmp_path / "out.dcm")
    assert not complaints(path) and not complaints(tmp_path / "out.dcm")


def test_cine_and_mosaic(tmp_path):
    path = make_cine(tmp_path / "us.dcm")
    write_dicom(hand_volume(path, [[describe(path, frame=k)] for k in range(5)], "cine"), tmp_path / "cine.dcm")
    assert not complaints(path) and not complaints(tmp_path / "cine.dcm")
    (path,) = make_mosaic(tmp_path / "in", times=1)
    write_dicom(mosaic_volume([path]), tmp_path / "mosaic.dcm")
    assert not complaints(path) and not complaints(tmp_path / "mosaic.dcm")


def test_the_check_sees_errors(make_series, tmp_path):
    path = next(make_series(slices=1).iterdir())
    import pydicom

    ds = pydicom.dcmread(path)
    del ds["StudyInstanceUID"]
    ds.save_as(tmp_path / "bad.dcm")
    assert any("StudyInstanceUID" in line for line in new_errors(tmp_path / "bad.dcm", path))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_real_series_go_through(dev_data, tmp_path):
    seen = 0
    for folder in sorted(dev_data.glob("C_dcm_*")) + sorted(dev_data.glob("D_dcm_*")):
        for name, volume in stacks(folder):
            if isinstance(volume, str):
                continue
            work = Path(tmp_path / str(seen))
            work.mkdir()
            result = trip(name, volume, work)
            assert not result.new_errors, result
            assert result.exact and result.error <= 0.5 and result.affine < 1e-6, result
            seen += 1
    assert seen > 8

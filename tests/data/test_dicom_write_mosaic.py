# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pydicom
import pytest

from monai_diffdenoise.data.csa_thin import CSA_ENTRIES
from monai_diffdenoise.data.dicom_write import write_dicom
from tests.data.dicom_out_builders import CSA_SOURCE, make_mosaic, mosaic_volume


def test_tiles_go_back_to_their_places_and_the_rest_stays(tmp_path):
    paths = make_mosaic(tmp_path / "in", times=3)
    volume = mosaic_volume(paths)
    assert volume.image.shape == (3, 6, 4, 5)
    image = volume.image.clone()
    image[1, :, :, 4] += 7
    image[2, 0, 0, 0] += 1.4
    write_dicom(volume.with_image(image), tmp_path / "out")
    files = sorted((tmp_path / "out").iterdir())
    assert [f.name for f in files] == ["IM0001.dcm", "IM0002.dcm", "IM0003.dcm"]
    wanted = [pydicom.dcmread(path).pixel_array for path in paths]
    wanted[1][4:8, 6:12] += 7
    wanted[2][0, 0] += 1
    for path, pixels, file in zip(paths, wanted, files, strict=True):
        old, new = pydicom.dcmread(path), pydicom.dcmread(file)
        # Tiles 6 to 9 of the 3 x 3 places hold no slice.
        np.testing.assert_array_equal(new.pixel_array, pixels)
        assert (new.Rows, new.Columns, new.InstanceNumber) == (12, 18, old.InstanceNumber)
        assert list(new.ImageType) == ["DERIVED", "PRIMARY", "M", "ND", "MOSAIC"]
        assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
        assert new.SpacingBetweenSlices == 3 and "NumberOfFrames" not in new


def test_what_cuts_a_mosaic_into_slices_is_kept_and_nothing_else(tmp_path):
    (path,) = make_mosaic(tmp_path / "in", times=1)
    write_dicom(mosaic_volume([path]), tmp_path / "out.dcm")
    new = pydicom.dcmread(tmp_path / "out.dcm")
    private = [(element.tag.group, element.tag.element) for element in new if element.tag.is_private]
    assert private == [(0x0019, 0x0010), (0x0019, 0x100A), (0x0029, 0x0011), (0x0029, 0x1110)]
    assert new[0x0019, 0x100A].value == 5
    csa = new[0x0029, 0x1110].value
    for name in CSA_SOURCE:
        assert (name.encode() in csa) == (name in CSA_ENTRIES)
    assert b"my name is Doe" in path.read_bytes()
    assert b"my name is Doe" not in (tmp_path / "out.dcm").read_bytes()


def test_all_private_attributes_stay_on_demand(tmp_path):
    (path,) = make_mosaic(tmp_path / "in", times=1)
    write_dicom(mosaic_volume([path]), tmp_path / "out.dcm", keep_private=True)
    old, new = pydicom.dcmread(path), pydicom.dcmread(tmp_path / "out.dcm")
    for element in old:
        if element.tag.is_private:
            assert new[element.tag].value == element.value


@pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="dcm2niix is not installed")
def test_dcm2niix_unpacks_the_derived_mosaic_as_it_does_the_source(tmp_path, dev_data):
    source = dev_data / "C_dcm_transfer_syntaxes" / "1.dcm"
    ds = pydicom.dcmread(source)
    assert list(ds.ImageType)[-1] == "MOSAIC"
    from tests.data.dicom_out_builders import describe, hand_volume

    tiles = [
        describe(source, rows=64, columns=64, tile=(64 * (k // 6), 64 * (k % 6)), position=np.array([0, 0, 3.0 * k]))
        for k in range(35)
    ]
    write_dicom(hand_volume(source, [tiles], "mosaic"), tmp_path / "out")
    (tmp_path / "in").mkdir()
    shutil.copy(source, tmp_path / "in" / "1.dcm")
    found = []
    for name in ("in", "out"):
        command = ["dcm2niix", "-f", name, "-o", str(tmp_path), str(tmp_path / name)]
        subprocess.run(command, check=True, capture_output=True)
        found.append((tmp_path / f"{name}.nii").read_bytes())
    # Same size, geometry and voxels; the description holds the time of the conversion's source.
    import nibabel as nib

    before, after = (nib.load(tmp_path / f"{name}.nii") for name in ("in", "out"))
    assert before.shape == after.shape == (64, 64, 35)
    np.testing.assert_array_equal(before.affine, after.affine)
    np.testing.assert_array_equal(before.get_fdata(), after.get_fdata())

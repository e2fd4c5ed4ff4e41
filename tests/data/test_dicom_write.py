# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
from pydicom.dataset import Dataset

from monai_diffdenoise.data import Volume, read_volume, volume_from_array, write_volume
from monai_diffdenoise.data.dicom_write import check_dicom
from monai_diffdenoise.errors import InputError
from tests.data.dicom_out_builders import hand_volume


def pairs(volume: Volume, out: Path) -> list[tuple[Dataset, Dataset]]:
    """Source and derived dataset of every slice, in order."""
    derived = sorted(out.iterdir())
    assert [p.name for p in derived] == [f"IM{k + 1:04d}.dcm" for k in range(len(volume.source.slices[0]))]
    return [
        (pydicom.dcmread(item.fingerprint.path), pydicom.dcmread(path))
        for item, path in zip(volume.source.slices[0], derived, strict=True)
    ]


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_untouched_series_keeps_pixels_and_geometry(make_series, tmp_path, modality, dtype):
    volume = read_volume(make_series(modality=modality, dtype=dtype))
    written = write_volume(volume, tmp_path / "out")
    assert (written.path, written.dtype, written.clipped) == (tmp_path / "out", dtype, 0)
    for old, new in pairs(volume, tmp_path / "out"):
        assert new.PixelData == old.PixelData
    back = read_volume(tmp_path / "out")
    assert torch.equal(back.image, volume.image)
    assert torch.equal(back.image.affine, volume.image.affine)


def test_new_values_are_rounded_and_stay_within_bits_stored(make_series, tmp_path):
    volume = read_volume(make_series())
    image = volume.image.clone()
    image[0, 0, 0] += 0.6
    image[0, 1, 1], image[0, 2, 2] = 9999.0, -5000.0
    with pytest.warns(UserWarning, match="8 of 192 values"):
        written = write_volume(volume.with_image(image), tmp_path / "out")
    assert written.clipped == 8
    for old, new in pairs(volume, tmp_path / "out"):
        a, b = old.pixel_array.T, new.pixel_array.T
        assert b[0, 0] == a[0, 0] + 1 and b[1, 1] == 4095 and b[2, 2] == 0
        assert np.count_nonzero(a != b) == 3
        assert (new.BitsAllocated, new.BitsStored, new.HighBit, new.PixelRepresentation) == (16, 12, 11, 0)


def test_rescale_per_slice_is_inverted_per_slice(make_series, tmp_path):
    def edit(ds, index):
        ds.RescaleSlope, ds.RescaleIntercept = str(0.25 * (index + 1)), str(33.5 - index)

    volume = read_volume(make_series(edit=edit))
    write_volume(volume.with_image(volume.image + 3.0), tmp_path / "out")
    for index, (old, new) in enumerate(pairs(volume, tmp_path / "out")):
        step = 0.25 * (index + 1)
        np.testing.assert_array_equal(new.pixel_array, np.rint(old.pixel_array + 3.0 / step))
        assert (new.RescaleSlope, new.RescaleIntercept) == (old.RescaleSlope, old.RescaleIntercept)


def test_pixel_padding_is_kept(make_series, tmp_path):
    def edit(ds, index):
        pixels = np.frombuffer(ds.PixelData, np.int16).copy()
        pixels[:5] = -2000
        ds.PixelData, ds.PixelPaddingValue = pixels.tobytes(), -2000

    volume = read_volume(make_series(dtype="int16", edit=edit))
    write_volume(volume.with_image(volume.image + 7), tmp_path / "out")
    for old, new in pairs(volume, tmp_path / "out"):
        a, b = old.pixel_array.ravel(), new.pixel_array.ravel()
        assert (b[:5] == -2000).all() and (b[5:] == a[5:] + 7).all()


def test_uids_follow_from_source_values_and_settings(make_series, tmp_path):
    volume = read_volume(make_series(slices=1))
    changed = volume.with_image(volume.image + 1)
    cases = [(volume, "a"), (volume, "a"), (volume, "b"), (changed, "a")]
    seen = []
    for number, (item, derivation) in enumerate(cases):
        write_volume(item, tmp_path / str(number), derivation=derivation)
        ds = pydicom.dcmread(tmp_path / str(number) / "IM0001.dcm")
        seen.append((ds.SeriesInstanceUID, ds.SOPInstanceUID))
    assert seen[0] == seen[1]
    assert len(set(seen)) == len({series for series, _ in seen}) == len({sop for _, sop in seen}) == 3


def test_attributes_that_no_file_can_hold_are_refused(make_series, tmp_path, monkeypatch):
    volume = read_volume(make_series())
    read = type(volume.source).dataset

    def damaged(self, item):
        dataset = read(self, item)
        tag = pydicom.tag.Tag(0x0040A730)
        dataset._dict[tag] = pydicom.dataelem.RawDataElement(tag, None, 4, b"Doe1", 0, False, True)
        return dataset

    monkeypatch.setattr(type(volume.source), "dataset", damaged)
    with pytest.raises(InputError, match="slice with instance number 1 holds damaged attributes") as caught:
        write_volume(volume, tmp_path / "out")
    assert "Doe" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["series"]


def test_source_is_never_changed(make_series, tmp_path):
    folder = make_series()
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}
    volume = read_volume(folder)
    write_volume(volume.with_image(volume.image + 5), tmp_path / "out")
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()} == before


def test_failure_in_the_middle_leaves_nothing(make_series, tmp_path, monkeypatch):
    volume = read_volume(make_series())
    count = []
    write = pydicom.dcmwrite

    def fail(*args, **kwargs):
        count.append(1)
        if len(count) == 3:
            raise OSError(28, "No space left on device")
        write(*args, **kwargs)

    monkeypatch.setattr(pydicom, "dcmwrite", fail)
    with pytest.raises(InputError, match="could not be written .No space left"):
        write_volume(volume, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["series"]


def test_source_that_changed_or_went_is_noticed(make_series, tmp_path):
    folder = make_series()
    volume = read_volume(folder)
    (folder / "file002").unlink()
    with pytest.raises(InputError, match="slice with instance number") as caught:
        write_volume(volume, tmp_path / "out")
    assert "file002" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["series"]


def test_missing_identifiers(make_series, tmp_path):
    def without(keyword):
        def edit(ds, index):
            setattr(ds, keyword, "")
            if keyword == "SOPInstanceUID":
                ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"

        return edit

    volume = read_volume(make_series("no_study", slices=1, edit=without("StudyInstanceUID")))
    with pytest.warns(UserWarning, match="no Study Instance UID"):
        write_volume(volume, tmp_path / "out")
    # The file header still knows what the dataset lost.
    write_volume(read_volume(make_series("meta", slices=1, edit=without("SOPInstanceUID"))), tmp_path / "meta_out")
    new = pydicom.dcmread(tmp_path / "meta_out" / "IM0001.dcm")
    assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3" != new.SOPInstanceUID


def test_other_sources_and_dtypes_are_refused(make_nifti, make_series, tmp_path):
    for volume in (read_volume(make_nifti(np.ones((4, 5, 6), np.int16))), volume_from_array(np.ones((1, 4, 5)))):
        with pytest.raises(InputError, match="DICOM.*name a"):
            write_volume(volume, tmp_path / "out")
    with pytest.raises(InputError, match="keeps its data type"):
        write_volume(read_volume(make_series()), tmp_path / "out", output_dtype="float32")
    assert not (tmp_path / "out").exists()


def test_overwriting_takes_only_a_series_of_ours(make_series, tmp_path):
    volume, out = read_volume(make_series()), tmp_path / "out"
    write_volume(volume, out)
    with pytest.raises(InputError, match="not empty"):
        write_volume(volume, out)
    first = pydicom.dcmread(out / "IM0001.dcm").SeriesInstanceUID
    write_volume(volume.with_image(volume.image + 1), out, overwrite=True)
    assert pydicom.dcmread(out / "IM0001.dcm").SeriesInstanceUID != first
    foreign = out / "IM9999.dcm"
    shutil.copy(volume.source.slices[0][0].fingerprint.path, foreign)
    with pytest.raises(InputError, match="other files"):
        write_volume(volume, out, overwrite=True)
    assert foreign.exists() and len(list(out.iterdir())) == 5


@pytest.mark.parametrize("tilt", [0.0, 1.1])
def test_dicom_to_nifti(make_series, tmp_path, tilt):
    volume = read_volume(make_series(step=(0.0, tilt, 2.5)))
    write_volume(volume, tmp_path / "out.nii.gz")
    image = nib.load(tmp_path / "out.nii.gz")
    assert image.get_data_dtype() == np.int16 and (image.dataobj.slope, image.dataobj.inter) == (1, 0)
    np.testing.assert_array_equal(image.get_fdata(), volume.image[0].numpy())
    np.testing.assert_allclose(image.affine, volume.image.affine, atol=1e-5)
    header = image.header
    assert header.get_xyzt_units()[0] == "mm" and header.get_dim_info() == (None, None, 2)
    assert header.get_sform(coded=True)[1] == 1
    # A quaternion cannot hold the shear of a tilted gantry.
    assert header.get_qform(coded=True)[1] == (0 if tilt else 1)
    if not tilt:
        np.testing.assert_allclose(header.get_qform(), volume.image.affine, atol=1e-5)
    raw = (tmp_path / "out.nii.gz").read_bytes()
    assert b"Doe" not in raw and b"4711" not in raw


@pytest.mark.parametrize(("slope", "dtype"), [(["0.1"] * 4, "uint16"), (["0.1", "0.2", "0.3", "0.4"], "float32")])
def test_dicom_to_nifti_with_slopes(make_series, tmp_path, slope, dtype):
    volume = read_volume(make_series(edit=lambda ds, index: setattr(ds, "RescaleSlope", slope[index])))
    write_volume(volume, tmp_path / "out.nii.gz")
    image = nib.load(tmp_path / "out.nii.gz")
    assert image.get_data_dtype() == dtype
    np.testing.assert_allclose(image.get_fdata(), volume.image[0].numpy(), rtol=1e-6)


def test_color_taken_as_gray_is_refused(make_series, tmp_path):
    volume = read_volume(make_series(slices=1))
    color = hand_volume(volume.source.path, [[replace(volume.source.slices[0][0], samples=3)]], "classic")
    with pytest.raises(InputError, match="color taken as gray.*name a .nii.gz"):
        check_dicom(color, tmp_path / "out")


def test_more_pixels_than_an_object_can_hold_are_refused(make_series, tmp_path):
    volume = read_volume(make_series(slices=1))
    item = volume.source.slices[0][0]
    frames = tuple(replace(item, frame=k, rows=60000, columns=60000) for k in range(2))
    huge = replace(volume, source=replace(volume.source, slices=(frames,), layout="enhanced"))
    with pytest.raises(InputError, match="14400000000 bytes.*at most 4294967294: name a .nii.gz"):
        check_dicom(huge, tmp_path / "out")


def test_many_clipped_values_are_told_with_their_share(make_series, tmp_path):
    volume = read_volume(make_series(modality="MR"))
    image = volume.image.clone()
    image[0, :4] = -3.0
    with pytest.warns(UserWarning, match=r"96 of 192 values .* clipped \(50.0%\), which shifts means: a .nii.gz file"):
        write_volume(volume.with_image(image), tmp_path / "out")

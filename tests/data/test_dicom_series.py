# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from pydicom.data import get_testdata_file

from monai_diffdenoise.data import dicom_series, read_volume
from monai_diffdenoise.errors import InputError
from tests.data.dicom_builders import enhanced, grid, save


def sample(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"this pydicom comes without {name}")
    return Path(found)


def test_junk_hidden_files_and_subfolders(make_series, tmp_path):
    folder = make_series()
    plain = read_volume(folder)
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"junk")
    (folder / "notes.txt").write_text("not an image")
    (folder / "empty").write_bytes(b"")
    (folder / ".hidden").write_bytes(next(folder.iterdir()).read_bytes())
    (folder / ".cache").mkdir()
    shutil.copy(sorted(folder.glob("file*"))[0], folder / ".cache" / "copy.dcm")
    shutil.copy(sample("reportsi.dcm"), folder / "report.dcm")
    report = pydicom.dcmread(sample("reportsi.dcm"))
    report.SeriesInstanceUID = plain.source.slices[0][0].series
    report.save_as(folder / "report of this series")
    deeper = folder / "deeper"
    deeper.mkdir()
    sorted(folder.glob("file*"))[0].rename(deeper / "moved.dcm")
    volume = read_volume(folder)
    # What is no image is no loss.
    assert torch.equal(volume.image, plain.image) and volume.notes == ()


def test_one_file_is_one_slice(make_series):
    folder = make_series()
    path = sorted(folder.iterdir())[0]
    volume = read_volume(path)
    assert volume.image.shape == (1, 8, 6, 1) and volume.spacing == (0.75, 0.5, 2.5)
    np.testing.assert_array_equal(volume.image[0, :, :, 0], pydicom.dcmread(path).pixel_array.T - 1024.0)


def test_several_series_are_listed_and_picked(make_series, tmp_path):
    make_series("both/a".replace("/", "_"), seed=1)
    root = tmp_path / "root"
    root.mkdir()
    uids = ["1.2.3.111118", "1.2.3.222228"]
    for number, uid in enumerate(uids):

        def edit(ds, index, uid=uid, number=number):
            ds.SeriesInstanceUID, ds.SeriesNumber, ds.SeriesDescription = uid, number + 7, "Doe private"

        make_series(f"s{number}", slices=3 + number, seed=number, edit=edit).rename(root / f"doe{number}")
    with pytest.raises(InputError, match="holds 2 series") as caught:
        read_volume(root)
    text = str(caught.value)
    assert "series 7 CT 3 slice(s)" in text and "series 8 CT 4 slice(s)" in text and "--series" in text
    assert "111118" in text and "1.2.3.111118" not in text
    assert "doe" not in text.replace(str(root), "").lower()
    assert read_volume(root, series=uids[1]).image.shape[-1] == 4
    assert read_volume(root, series="111118").image.shape[-1] == 3
    for wrong in ("9", "8", ""):
        with pytest.raises(InputError, match=r"\d series end in"):
            read_volume(root, series=wrong)


@pytest.mark.parametrize("name", ["reportsi.dcm", "rtplan.dcm", "DICOMDIR"])
def test_dicom_without_an_image(tmp_path, name):
    source = sample("reportsi.dcm" if name == "DICOMDIR" else name)
    shutil.copy(source, tmp_path / name)
    with pytest.raises(InputError, match="not a readable DICOM image|no readable DICOM image"):
        read_volume(tmp_path / name)
    with pytest.raises(InputError, match="no readable DICOM image"):
        read_volume(tmp_path)


def test_empty_folder(tmp_path):
    with pytest.raises(InputError, match="no readable DICOM image in it"):
        read_volume(tmp_path)


def test_series_with_objects_of_many_frames_counts_their_frames(make_series, tmp_path):
    folder = make_series(slices=2)
    save(enhanced(grid(7)), folder / "frames")
    with pytest.raises(InputError, match="series 4 CT 2 slice.*series 4 MR 7 slice"):
        read_volume(folder)


def test_links_are_not_followed(make_series, tmp_path):
    folder = make_series()
    plain = read_volume(folder)
    outside = make_series("outside", slices=2, edit=lambda ds, index: setattr(ds, "SeriesInstanceUID", "1.2.3"))
    (folder / "up").symlink_to(folder.parent)
    (folder / "loop").symlink_to(folder)
    (folder / "file").symlink_to(sorted(outside.iterdir())[0])
    (folder / "nowhere").symlink_to(tmp_path / "gone")
    volume = read_volume(folder)
    assert torch.equal(volume.image, plain.image)
    assert volume.notes == ("4 symbolic link(s) were not followed",)
    # What the user names himself is what he means.
    (tmp_path / "named").symlink_to(folder)
    assert torch.equal(read_volume(tmp_path / "named").image, plain.image)
    only = tmp_path / "only"
    only.mkdir()
    (only / "file").symlink_to(sorted(outside.iterdir())[0])
    with pytest.raises(InputError, match="no readable DICOM image in it .1 symbolic link"):
        read_volume(only)


def test_odd_file_names(make_series):
    folder = make_series(slices=3)
    plain = read_volume(folder)
    names = [b"line\nbreak", b"not utf-8 \xff\xfe", b"-rf *? $(x) " + b"y" * 200]
    for file, name in zip(sorted(folder.iterdir()), names, strict=True):
        os.rename(os.fsencode(file), os.path.join(os.fsencode(folder), name))
    assert torch.equal(read_volume(folder).image, plain.image)


def test_pipes_and_devices_are_passed_over(make_series):
    folder = make_series()
    os.mkfifo(folder / "pipe")
    assert read_volume(folder).image.shape[-1] == 4


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_closed_files_and_folders_are_counted(make_series):
    folder = make_series()
    sorted(folder.iterdir())[0].chmod(0)
    (folder / "closed").mkdir(mode=0)
    with pytest.raises(InputError, match="missing"):
        read_volume(folder)


@pytest.mark.parametrize("keep", [140, 300, 600, "pixels"])
def test_cut_off_files_are_counted_not_dropped_silently(make_series, keep):
    folder = make_series(slices=5)
    by_place = sorted(folder.iterdir(), key=lambda file: pydicom.dcmread(file).InstanceNumber)
    inside, last = by_place[2], by_place[-1]
    raw = last.read_bytes()
    last.write_bytes(raw[: len(raw) - 50 if keep == "pixels" else keep])
    volume = read_volume(folder)
    assert volume.image.shape[-1] == 4
    assert volume.notes == ("1 file(s) look like DICOM images but are cut off or damaged, and were left out",)
    inside.write_bytes(raw[:keep] if keep != "pixels" else inside.read_bytes()[:-50])
    with pytest.raises(InputError, match="1 missing between .* 2 and .* 4;.*2 file.s. look like DICOM images but"):
        read_volume(folder)
    for file in by_place:
        file.write_bytes(raw[:keep] if keep != "pixels" else raw[:-50])
    with pytest.raises(InputError, match="cut off or damaged"):
        read_volume(folder)


def test_a_damaged_file_of_another_series_says_nothing(make_series):
    folder = make_series()
    other = make_series("other", slices=1, edit=lambda ds, index: setattr(ds, "SeriesInstanceUID", "1.2.3"))
    raw = next(other.iterdir()).read_bytes()
    (folder / "cut").write_bytes(raw[: raw.index(b"1.2.3") + 60])
    assert read_volume(folder).notes == ()


def test_far_too_many_images(make_series, monkeypatch):
    monkeypatch.setattr(dicom_series, "_MAX_IMAGES", 3)
    with pytest.raises(InputError, match="more than 3 DICOM images"):
        read_volume(make_series())
    assert read_volume(make_series("few", slices=3)).image.shape[-1] == 3

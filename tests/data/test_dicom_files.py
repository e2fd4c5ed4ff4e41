# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from pydicom.data import get_testdata_file

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.errors import InputError


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
    deeper = folder / "deeper"
    deeper.mkdir()
    sorted(folder.glob("file*"))[0].rename(deeper / "moved.dcm")
    assert torch.equal(read_volume(folder).image, plain.image)


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


def test_file_without_preamble_is_read_if_it_is_an_image(tmp_path):
    for name in ("ExplVR_LitEndNoMeta.dcm", "ExplVR_BigEndNoMeta.dcm", "no_meta.dcm"):
        # None of these pydicom examples is a complete image: refused, and nothing else happens.
        with pytest.raises(InputError, match="expected"):
            read_volume(sample(name))
    ds = pydicom.dcmread(sample("CT_small.dcm"))
    plain = read_volume(sample("CT_small.dcm"))
    path = tmp_path / "bare"
    pydicom.dcmwrite(path, ds, implicit_vr=False, little_endian=True)
    raw = path.read_bytes()
    start = raw.index(b"\x08\x00\x05\x00", 132)
    path.write_bytes(raw[start:])
    assert torch.equal(read_volume(path).image, plain.image)


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

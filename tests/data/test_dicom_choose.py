# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from monai_diffdenoise.data import ReadOptions, read_volume
from monai_diffdenoise.data.dicom_choose import choose_stack
from monai_diffdenoise.data.dicom_geometry import stack_slices
from monai_diffdenoise.errors import InputError
from tests.data.dicom_builders import enhanced, grid, save


def test_no_pixel_is_decoded(make_series, monkeypatch):
    folder = make_series()
    monkeypatch.setattr(pydicom.Dataset, "pixel_array", property(lambda ds: pytest.fail("decoded")))
    chosen = choose_stack(folder, ReadOptions())
    assert chosen.layout == "classic" and chosen.notes == () and len(chosen.placed.slices[0]) == 4
    assert stack_slices(chosen.placed.slices[0]).spacing == chosen.placed.spacing


def test_thousands_of_tiny_files_do_not_ask_for_the_memory(make_series):
    """Each file claims what a blank compressed image of its size could be; together they claim 160 MB in 40 kB."""

    def edit(ds, index):
        ds.file_meta.TransferSyntaxUID = RLELossless
        ds.Rows = ds.Columns = 2890
        ds.PixelData = encapsulate([b"\1\0\0\0\x40" + b"\0" * 61])
        ds["PixelData"].is_undefined_length = True

    with pytest.raises(InputError, match="the stack of 10 slices is cut off or damaged: it declares 167042000 bytes"):
        read_volume(make_series(slices=10, edit=edit))
    with pytest.raises(InputError, match="cannot be decoded"):
        read_volume(make_series("one", slices=1, edit=edit))


def test_frames_of_one_file_are_read_together(tmp_path, monkeypatch):
    volume = read_volume(save(enhanced(grid(3, times=2)), tmp_path / "a"))
    count = []
    read = type(volume.source).dataset
    monkeypatch.setattr(type(volume.source), "dataset", lambda self, item: count.append(1) or read(self, item))
    assert len(list(volume.source.blocks())) == 6 and len(count) == 1


def test_notes_say_everything_once(make_series):
    folder = make_series(slices=6, edit=lambda ds, index: index != 2)
    raw = (folder / "file000").read_bytes()
    (folder / "copy").write_bytes(raw)
    (folder / "cut").write_bytes(raw[:-9])
    (folder / "link").symlink_to(folder / "file000")
    volume = read_volume(folder, options=ReadOptions(uneven="take"))
    words = ("cut off", "copies", "symbolic", "unevenly")
    assert [next(word for word in words if word in note) for note in volume.notes] == list(words)


def test_messy_real_folder(dev_data):
    path = dev_data / "D_dcm_made_messy_folder"
    with pytest.raises(InputError, match="2 series"):
        read_volume(path)
    with pytest.raises(InputError, match="1 missing between .* 4 and .* 6.*1 file.s. look like DICOM .*left out"):
        read_volume(path, series="31.342")
    volume = read_volume(path, options=ReadOptions(series="31.342", uneven="take"))
    assert volume.image.shape == (1, 64, 64, 8) and volume.spacing[2] == pytest.approx(5.0)
    assert len(volume.notes) == 3

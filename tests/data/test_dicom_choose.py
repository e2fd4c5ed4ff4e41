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


def test_frames_are_read_one_by_one(tmp_path, monkeypatch):
    """A large object is never in memory as a whole."""
    volume = read_volume(save(enhanced(grid(3, times=2)), tmp_path / "a"))
    monkeypatch.setattr(type(volume.source), "dataset", lambda self, item: pytest.fail("read as a whole"))
    assert len(list(volume.source.blocks())) == 6


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


def test_nine_encodings_of_one_mosaic(dev_data):
    """Nine files of one series, each with a series number of its own: nine stacks of the same picture."""
    path = dev_data / "C_dcm_transfer_syntaxes"
    with pytest.raises(InputError, match="9 stacks.*1: 64x64, 35 slice.s., series number 1; .*9: 64x64"):
        read_volume(path)
    volumes = [read_volume(path, options=ReadOptions(stack=k + 1)) for k in range(9)]
    assert volumes[0].image.shape == (1, 64, 64, 35) and volumes[0].source.layout == "mosaic"
    assert len({volume.source.slices[0][0].syntax for volume in volumes}) >= 6
    for volume in volumes[1:]:
        assert (volume.image == volumes[0].image).all() and (volume.image.affine == volumes[0].image.affine).all()

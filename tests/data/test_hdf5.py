# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.data.hdf5."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from monai_diffdenoise.data import ReadOptions, read_volume, write_volume
from monai_diffdenoise.data.hdf5 import is_hdf5
from monai_diffdenoise.errors import InputError
from tests.data.hdf5_builders import fourier, write_fastmri, write_m4raw

h5py = pytest.importorskip("h5py")
IMAGES = np.random.default_rng(0).random((3, 8, 6))


def test_the_stored_reconstruction_is_taken(tmp_path: Path) -> None:
    shown = write_fastmri(tmp_path / "a.h5", IMAGES)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["reconstruction_rss"][...] = 2 * shown
    volume = read_volume(tmp_path / "a.h5")
    np.testing.assert_array_equal(volume.image[0], (2 * shown).transpose(2, 1, 0))
    assert volume.spacing == (0.5, 0.5, 4.0)
    assert volume.slice_axis == 2
    assert volume.source.native.dtype == np.float32
    np.testing.assert_array_equal(volume.image.affine, np.diag([-0.5, -0.5, 4, 1]))
    assert not any("computed" in note for note in volume.notes)
    assert "4711" not in " ".join(volume.notes)


def test_monai_reads_the_same_file(tmp_path: Path) -> None:
    """The layout is the one that MONAI's reader knows."""
    from monai.apps.reconstruction.fastmri_reader import FastMRIReader

    write_fastmri(tmp_path / "a.h5", IMAGES)
    reader = FastMRIReader()
    told = reader.read(str(tmp_path / "a.h5"))
    np.testing.assert_array_equal(
        told["reconstruction_rss"].transpose(2, 1, 0), read_volume(tmp_path / "a.h5").image[0]
    )
    kspace, meta = reader.get_data(told)
    assert kspace.shape == (3, 3, 16, 6)
    assert {"acquisition", "max", "norm", "patient_id", "reconstruction_rss"} <= meta.keys()


def test_kspace_is_reconstructed_and_cropped(tmp_path: Path) -> None:
    shown = write_fastmri(tmp_path / "a.h5", IMAGES, stored=False)
    volume = read_volume(tmp_path / "a.h5")
    np.testing.assert_allclose(volume.image[0], shown.transpose(2, 1, 0), atol=1e-5)
    assert volume.spacing == (0.5, 0.5, 4.0)
    assert "computed from k-space" in volume.notes[0]


def test_one_coil_has_no_axis(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["kspace"] = fourier(IMAGES)
    volume = read_volume(tmp_path / "a.h5")
    np.testing.assert_allclose(volume.image[0], IMAGES.transpose(2, 1, 0), atol=1e-5)
    assert volume.spacing == (1, 1, 1)
    assert "1 mm was taken" in volume.notes[1]


def test_m4raw(tmp_path: Path) -> None:
    images = np.random.default_rng(1).random((2, 16, 16))
    write_m4raw(tmp_path, images, 0.0, repetitions=1)
    volume = read_volume(tmp_path / "2022_T101.h5")
    np.testing.assert_allclose(volume.image[0], images.transpose(2, 1, 0), atol=1e-5)
    assert volume.spacing == (15, 15, 5)


def test_rows_and_columns_are_not_mixed_up(tmp_path: Path) -> None:
    images = np.zeros((1, 8, 6))
    images[0, 1, 4] = 1  # second row, fifth column
    for stored in (True, False):
        write_fastmri(tmp_path / "a.h5", images, stored=stored)
        image = read_volume(tmp_path / "a.h5").image[0, :, :, 0]
        assert np.unravel_index(int(image.argmax()), image.shape) == (4, 1)


def test_a_result_is_written_in_another_format(tmp_path: Path) -> None:
    write_fastmri(tmp_path / "a.h5", IMAGES)
    volume = read_volume(tmp_path / "a.h5")
    write_volume(volume.with_image(volume.image / 2), tmp_path / "a.nii.gz")
    again = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(again.image, volume.image / 2)
    np.testing.assert_allclose(again.image.affine, volume.image.affine)
    with pytest.raises(InputError, match=r"a .h5 output is not written: name a .nii.gz"):
        write_volume(volume, tmp_path / "b.h5")


def test_undersampled_kspace_is_refused(tmp_path: Path) -> None:
    write_fastmri(tmp_path / "a.h5", IMAGES, stored=False)
    for mask, refused in (([1, 1, 1, 1, 1, 1], False), ([1, 0, 1, 1, 0, 1], True)):
        with h5py.File(tmp_path / "a.h5", "r+") as file:
            file.pop("mask", None)
            file["mask"] = np.array(mask, bool)
        if refused:
            with pytest.raises(InputError, match="undersampled"):
                read_volume(tmp_path / "a.h5")
        else:
            read_volume(tmp_path / "a.h5")


def test_options_mean_nothing_here(tmp_path: Path) -> None:
    write_fastmri(tmp_path / "a.h5", IMAGES)
    with pytest.raises(InputError, match="--color gray, which means nothing"):
        read_volume(tmp_path / "a.h5", options=ReadOptions(color="gray"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("other", np.zeros((2, 3, 4)), "holds none of"),
        ("reconstruction_rss", np.zeros((3, 4)), "holds reconstruction_rss as 3 x 4 float64"),
        ("reconstruction_rss", np.zeros((1, 3, 4), complex), "expected real numbers"),
        ("kspace", np.zeros((1, 2, 3, 4)), "expected complex numbers"),
        ("kspace", np.zeros((1, 0, 3, 4), complex), "holds kspace as 1 x 0 x 3 x 4"),
    ],
)
def test_other_layouts_are_refused(tmp_path: Path, name: str, value: np.ndarray, message: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[name] = value
    with pytest.raises(InputError, match=message):
        read_volume(tmp_path / "a.h5")


def test_a_small_file_cannot_ask_for_much_memory(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("reconstruction_rss", (10_000, 10_000, 10_000), "f4", chunks=(1, 100, 100))
    with pytest.raises(InputError, match="declares 4000000000000 bytes"):
        read_volume(tmp_path / "a.h5")


def test_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    write_fastmri(tmp_path / "secret.h5", IMAGES)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["reconstruction_rss"] = h5py.ExternalLink("secret.h5", "/reconstruction_rss")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        layout = h5py.VirtualLayout((3, 8, 6), "f4")
        layout[...] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "reconstruction_rss", (3, 8, 6))
        file.create_virtual_dataset("reconstruction_rss", layout)
    (tmp_path / "raw").write_bytes(b"1" * 1000)
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("reconstruction_rss", (1, 5, 5), "f4", external=[(str(tmp_path / "raw"), 0, 100)])
    for name in "abc":
        with pytest.raises(InputError, match="holds none of"):
            read_volume(tmp_path / f"{name}.h5")


def test_damage_is_one_line(tmp_path: Path) -> None:
    write_fastmri(tmp_path / "a.h5", IMAGES)
    whole = (tmp_path / "a.h5").read_bytes()
    assert is_hdf5(tmp_path / "a.h5")
    for length in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "b.h5").write_bytes(whole[:length])
        with pytest.raises(InputError, match="not a HDF5 file|damaged"):
            read_volume(tmp_path / "b.h5")
    rng = np.random.default_rng(0)
    for _ in range(40):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 20):
            data[place] = rng.integers(256)
        (tmp_path / "b.h5").write_bytes(data)
        try:
            read_volume(tmp_path / "b.h5")
        except InputError as error:
            assert "\n" not in str(error)


def test_a_file_that_changed_is_not_mixed(tmp_path: Path) -> None:
    write_fastmri(tmp_path / "a.h5", IMAGES)
    volume = read_volume(tmp_path / "a.h5")
    write_fastmri(tmp_path / "a.h5", np.concatenate([IMAGES, IMAGES]))
    with pytest.raises(InputError, match="changed since"):
        write_volume(volume, tmp_path / "a.nii.gz")


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fastmri(tmp_path / "a.h5", IMAGES)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"needs h5py: pip install 'monai-diffdenoise\[hdf5\]'"):
        read_volume(tmp_path / "a.h5")

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What is read for the page, and what the page is told about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_diffdenoise.data import read_volume, volume_from_array
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.maps import write_map
from monai_diffdenoise.viewer import Scene, Shown, load_scene

RNG = np.random.default_rng(0)


def _stored(low: int = 0, high: int = 1000, shape: tuple[int, ...] = (12, 11, 10)) -> np.ndarray:
    return RNG.integers(low, high, shape).astype(np.int16)


def test_two_images_their_residual_and_an_overlay(make_nifti: Callable[..., Path]) -> None:
    a, b = _stored(), _stored()
    paths = [make_nifti(a, "noisy.nii.gz"), make_nifti(b, "clean.nii.gz")]
    scene = load_scene(paths, [make_nifti(_stored(0, 9), "spread.nii")], residual=True)
    assert [shown.label for shown in scene.volumes] == ["A: noisy.nii.gz", "B: clean.nii.gz"]
    assert [shown.label for shown in scene.overlays] == ["Residual (A - B)", "Overlay 1: spread.nii"]
    residual = scene.overlays[0].volume
    assert torch.equal(residual.image.as_tensor()[0], torch.from_numpy((a - b).astype(np.float32)))
    facts = json.loads(json.dumps(scene.facts(), allow_nan=False))
    assert facts["same_grid"] is True
    assert facts["overlays"][0]["signed"]
    assert not facts["overlays"][1]["signed"]
    assert facts["volumes"][0]["shape"] == [12, 11, 10]
    assert facts["volumes"][0]["range"] == [a.min(), a.max()]


@pytest.mark.parametrize("quantity", ["residual", "share", "uncertainty"])
@pytest.mark.parametrize("ending", ["nii.gz", "dcm"])
def test_maps_of_a_run_can_be_laid_over_its_series(
    make_series: Callable[..., Path], tmp_path: Path, quantity: str, ending: str
) -> None:
    if ending == "dcm":
        pytest.importorskip("highdicom")
    folder = make_series("input")
    volume = read_volume(folder)
    values = torch.rand(volume.image.shape)
    write_map(volume, values, tmp_path / f"map.{ending}", quantity)
    scene = load_scene([folder], [tmp_path / f"map.{ending}"])
    assert scene.overlays[0].label == ("Overlay 1" if ending == "dcm" else "Overlay 1: map.nii.gz")
    overlay, image = scene.overlays[0].volume, scene.volumes[0].volume
    # the same values at the same places of the body, whatever the order of the axes
    for place in ([0, 0, 0], [1, 2, 3]):
        world = image.image.affine @ torch.tensor([*place, 1.0], dtype=torch.float64)
        at = (torch.linalg.inv(overlay.image.affine) @ world)[:3].round().long()
        assert float(overlay.image.as_tensor()[(0, *at)]) == pytest.approx(float(values[(0, *place)]), rel=1e-5)


def test_voxels_without_a_value_have_no_residual() -> None:
    one, two = RNG.normal(size=(2, 1, 6, 5, 4)).astype(np.float32)
    one[0, 1, 1, 1], two[0, 2, 2, 2] = np.nan, np.inf
    from monai_diffdenoise.viewer.scene import _difference

    finite = _difference(volume_from_array(one), volume_from_array(two)).finite
    assert finite is not None
    assert (~finite).nonzero().tolist() == [[0, 1, 1, 1], [0, 2, 2, 2]]


def test_names_of_dicom_are_not_shown(make_series: Callable[..., Path]) -> None:
    folder = make_series("DOE^JOHN")
    scene = load_scene([folder, next(folder.iterdir())], [folder])
    assert [shown.label for shown in (*scene.volumes, *scene.overlays)] == ["A", "B", "Overlay 1"]
    assert "DOE" not in json.dumps(scene.facts())


@pytest.mark.parametrize("count", [0, 9])
def test_number_of_images(make_nifti: Callable[..., Path], count: int) -> None:
    with pytest.raises(InputError, match=f"got {count} images"):
        load_scene([make_nifti(_stored())] * count)


def test_residual_needs_two_of_one_grid(make_nifti: Callable[..., Path]) -> None:
    path = make_nifti(_stored())
    with pytest.raises(InputError, match="with one image"):
        load_scene([path], residual=True)
    with pytest.raises(InputError, match="one shape"):
        load_scene([path, make_nifti(_stored(shape=(12, 11, 9)), "other.nii")], residual=True)
    with pytest.raises(InputError, match="one shape"):
        load_scene([path, make_nifti(_stored(), "moved.nii", affine=np.diag([2.0, 2, 2, 1]))], residual=True)


@pytest.mark.parametrize(
    ("low", "high", "hounsfield"), [(-1024, 1500, True), (0, 1500, False), (-300, 300, False), (-1024, 0, False)]
)
def test_hounsfield_units_are_recognized(low: int, high: int, hounsfield: bool) -> None:
    array = np.linspace(low, high, 4**3, dtype=np.float32).reshape(1, 4, 4, 4)
    assert Shown(volume_from_array(array), "A").facts()["hounsfield"] is hounsfield


def test_window_leaves_extremes_out_and_is_never_empty() -> None:
    array = RNG.uniform(0, 1, (1, 40, 40, 40)).astype(np.float32)
    array[0, 0, 0, 0] = 1e6
    low, high = Shown(volume_from_array(array), "A").facts()["window"]
    assert 0 <= low < 0.1
    assert 0.9 < high <= 1
    low, high = Shown(volume_from_array(np.full((1, 4, 4, 4), 7.0)), "A").facts()["window"]
    assert low < high


@pytest.mark.parametrize(
    ("shape", "affine", "view"),
    [
        ((20, 20, 20), np.eye(4), "multiplanar"),
        ((20, 20, 1), np.eye(4), "axial"),
        ((20, 1, 20), np.eye(4), "coronal"),
        ((1, 20, 20), np.eye(4), "sagittal"),
        ((20, 20, 3), np.eye(4), "axial"),
        ((20, 20, 3), np.diag([1.0, 1, 9, 1]), "multiplanar"),
        # stored sagittally: the slices lie along the body's left-right axis
        ((20, 20, 3), np.array([[0.0, 0, -1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]), "sagittal"),
    ],
)
def test_view_at_the_start(shape: tuple[int, ...], affine: np.ndarray, view: str) -> None:
    volume = volume_from_array(RNG.normal(size=(1, *shape)).astype(np.float32), affine)
    assert Shown(volume, "A").facts()["view"] == view


def test_grids_that_differ_are_told() -> None:
    volumes = [volume_from_array(np.ones((1, 4, 4, 4)) * i, np.diag([s, 1, 1, 1])) for i, s in ((1, 1.0), (2, 2.0))]
    assert Scene(tuple(Shown(volume, "A") for volume in volumes)).facts()["same_grid"] is False

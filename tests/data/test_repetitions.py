# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.data.repetitions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_diffdenoise.data import (
    group_repetitions,
    mean_without,
    read_repetitions,
    read_volume,
    volume_from_array,
    write_volume,
)
from monai_diffdenoise.errors import InputError
from tests.data.hdf5_builders import write_m4raw

RNG = np.random.default_rng(0)


@pytest.fixture
def repetitions(tmp_path: Path) -> list[Path]:
    images = RNG.random((3, 6, 5, 4)).astype(np.float32)
    paths = [tmp_path / f"scan_T2{number:02d}.nii.gz" for number in (1, 2, 3)]
    for path, image in zip(paths, images, strict=True):
        write_volume(volume_from_array(image[None], np.diag([2.0, 2, 5, 1])), path)
    return paths


def test_names_that_differ_in_two_digits_are_one_scan(tmp_path: Path) -> None:
    names = ["a_T101", "a_T102", "a_T103", "a_T201", "b_FLAIR01", "b_FLAIR02", "c", "d7"]
    for name in reversed(names):
        write_volume(volume_from_array(np.ones((1, 2, 2, 2), np.float32)), tmp_path / f"{name}.nii")
    found = {name: [path.stem for path in paths] for name, paths in group_repetitions(tmp_path).items()}
    assert found == {
        "a_T1": ["a_T101", "a_T102", "a_T103"],
        "a_T2": ["a_T201"],
        "b_FLAIR": ["b_FLAIR01", "b_FLAIR02"],
        "c": ["c"],
        "d7": ["d7"],
    }


def test_repetitions_become_channels(repetitions: list[Path], tmp_path: Path) -> None:
    volume = read_repetitions(repetitions)
    for channel, path in enumerate(repetitions):
        assert torch.equal(volume.image[channel].as_tensor(), read_volume(path).image[0].as_tensor())
    assert volume.channels == "time"
    assert volume.spacing == (2, 2, 5)
    write_volume(volume, tmp_path / "all.nii.gz")
    again = read_volume(tmp_path / "all.nii.gz")
    assert torch.equal(again.image.as_tensor(), volume.image.as_tensor())
    assert torch.equal(again.image.affine, volume.image.affine)


def test_the_reference_leaves_out_what_it_scores(repetitions: list[Path]) -> None:
    volume = read_repetitions(repetitions)
    reference = mean_without(volume, 1)
    torch.testing.assert_close(reference.image[0].as_tensor(), (volume.image[0] + volume.image[2]).as_tensor() / 2)
    assert torch.equal(reference.image.affine, volume.image.affine)
    changed = volume.image.clone()
    changed[1] = 7
    assert torch.equal(mean_without(volume.with_image(changed), 1).image, reference.image)


@pytest.mark.parametrize("repetition", [-1, 3])
def test_a_repetition_that_is_not_there(repetitions: list[Path], repetition: int) -> None:
    with pytest.raises(InputError, match="expected 0 to 2"):
        mean_without(read_repetitions(repetitions), repetition)


def test_a_single_one_has_no_reference(repetitions: list[Path]) -> None:
    with pytest.raises(InputError, match="at least two"):
        mean_without(read_repetitions(repetitions[:1]), 0)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda image, affine: (image[:, :-1], affine), r"repetition 2 has shape \(1, 5, 5, 4\)"),
        (lambda image, affine: (np.concatenate([image, image]), affine), "repetition 2 has shape"),
        (lambda image, affine: (image, affine + 0.1), "repetition 2 lies elsewhere"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    repetitions: list[Path], tmp_path: Path, edit: Callable, message: str
) -> None:
    first = read_volume(repetitions[0])
    image, affine = edit(first.image.numpy(), first.image.affine.numpy())
    write_volume(volume_from_array(image, affine), tmp_path / "other.nii.gz")
    with pytest.raises(InputError, match=message):
        read_repetitions([repetitions[0], tmp_path / "other.nii.gz"])
    with pytest.raises(InputError, match="no repetition"):
        read_repetitions([])


def test_m4raw(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    images = np.full((2, 32, 32), 1.0)
    write_m4raw(tmp_path, images, 0.1)
    (name,) = group_repetitions(tmp_path)
    assert name == "2022_T1"
    volume = read_repetitions(group_repetitions(tmp_path)[name])
    assert volume.image.shape == (3, 32, 32, 2)
    noise = [float((mean_without(volume, k).image - volume.image[k]).as_tensor().std()) for k in range(3)]
    # one repetition, and half of the variance of the mean of two
    assert np.allclose(noise, 0.1 * 1.5**0.5, rtol=0.1)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What the page is sent is a NIfTI file with the volume's own numbers and geometry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_diffdenoise.data import Volume, read_volume, volume_from_array
from monai_diffdenoise.data.storage import memory_limit
from monai_diffdenoise.viewer.nifti_bytes import NiftiBytes

RNG = np.random.default_rng(0)
SHEARED = np.array([[-0.5, 0.0, 0.0, 10.0], [0.0, 0.5, 0.8, -20.0], [0.0, 0.0, 2.4, 5.0], [0.0, 0.0, 0.0, 1.0]])


def _file(volume: Volume, frame: int = 0) -> nib.Nifti1Image:
    file = NiftiBytes(volume, frame)
    raw = b"".join(file.parts(0, file.size))
    assert len(raw) == file.size
    return nib.Nifti1Image.from_bytes(raw)


@pytest.mark.parametrize("affine", [np.diag([1.0, 2.0, 3.0, 1.0]), SHEARED])
@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (1, 3, 4, 1)])
def test_values_and_affine(shape: tuple[int, ...], affine: np.ndarray) -> None:
    array = RNG.normal(size=shape).astype(np.float32)
    volume = volume_from_array(array, affine)
    for frame in range(shape[0]):
        image = _file(volume, frame)
        np.testing.assert_array_equal(np.asarray(image.dataobj), array[frame])
        np.testing.assert_allclose(image.affine, affine, rtol=1e-6)


def test_a_picture_is_a_volume_of_one_slice() -> None:
    array = RNG.normal(size=(1, 5, 4)).astype(np.float32)
    assert _file(volume_from_array(array)).shape in {(5, 4), (5, 4, 1)}
    np.testing.assert_array_equal(np.asarray(_file(volume_from_array(array)).dataobj).reshape(5, 4), array[0])


def test_series_from_a_file_one_time_point_at_a_time(make_nifti: Callable[..., Path]) -> None:
    stored = RNG.integers(-500, 500, (5, 4, 3, 2)).astype(np.int16)
    path = make_nifti(stored, slope=0.5, inter=-3.0)
    for frame in range(2):
        image = _file(read_volume(path), frame)
        np.testing.assert_array_equal(np.asarray(image.dataobj), stored[..., frame] * 0.5 - 3.0)
        np.testing.assert_allclose(image.affine, nib.load(path).affine, atol=1e-5)


def test_voxels_without_a_value_are_nan() -> None:
    array = RNG.normal(size=(1, 4, 4, 3)).astype(np.float32)
    array[0, 1, 2, 0], array[0, 3, 3, 2] = np.nan, np.inf
    expected = np.where(np.isfinite(array), array, np.nan)[0]
    np.testing.assert_array_equal(np.asarray(_file(volume_from_array(array)).dataobj), expected)


def test_nothing_of_a_dicom_header_is_in_it(make_series: Callable[..., Path]) -> None:
    file = NiftiBytes(read_volume(make_series()), 0)
    raw = b"".join(file.parts(0, file.size))
    assert not any(word in raw for word in (b"Doe", b"4711", b"Thorax", b"2020"))


def test_scratch_files_give_the_same_bytes() -> None:
    array = RNG.normal(size=(1, 8, 7, 6)).astype(np.float32)
    inside = NiftiBytes(volume_from_array(array), 0)
    with memory_limit(0):
        outside = NiftiBytes(volume_from_array(array), 0)
        assert b"".join(outside.parts(0, outside.size)) == b"".join(inside.parts(0, inside.size))


@given(start=st.integers(0, 800), length=st.integers(0, 800))
def test_any_range(start: int, length: int) -> None:
    array = np.arange(5 * 3 * 7, dtype=np.float32).reshape(1, 5, 3, 7)
    file = NiftiBytes(volume_from_array(array), 0)
    whole = b"".join(file.parts(0, file.size))
    stop = min(start + length, file.size)
    start = min(start, stop)
    assert b"".join(file.parts(start, stop)) == whole[start:stop]

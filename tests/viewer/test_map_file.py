# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.maps import write_map
from monai_diffdenoise.viewer.map_file import read_map


@pytest.fixture
def written(make_series: Callable[..., Path], tmp_path: Path) -> tuple[Path, torch.Tensor]:
    pytest.importorskip("highdicom")
    volume = read_volume(make_series())
    values = torch.rand(volume.image.shape)
    write_map(volume, values, tmp_path / "maps", "residual")
    return next((tmp_path / "maps").iterdir()), values


def test_folder_of_maps_has_a_channel_each(written: tuple[Path, torch.Tensor]) -> None:
    file, values = written
    (file.parent / "MAP0002.dcm").write_bytes(file.read_bytes())
    found = read_map(file.parent)
    assert found is not None
    assert found.image.shape == (2, *values.shape[1:])
    assert torch.equal(
        found.image.as_tensor().flatten().sort().values, torch.cat([values, values]).flatten().sort().values
    )


def test_other_files_are_left_to_the_reader_of_scans(
    make_series: Callable[..., Path], make_nifti: Callable[..., Path], tmp_path: Path
) -> None:
    assert read_map(make_series("other")) is None
    assert read_map(make_nifti(np.zeros((3, 4, 5), np.float32))) is None
    (tmp_path / "empty").mkdir()
    assert read_map(tmp_path / "empty") is None
    assert read_map(tmp_path / "missing.dcm") is None


def _uneven(dataset: Any) -> None:
    position = dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
    position.ImagePositionPatient = [value + 0.7 for value in position.ImagePositionPatient]


def _without_floats(dataset: Any) -> None:
    del dataset.FloatPixelData


def _cut_off(dataset: Any) -> None:
    dataset.FloatPixelData = dataset.FloatPixelData[:-8]


def _without_place(dataset: Any) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_uneven, "evenly spaced"),
        (_without_floats, "whole numbers"),
        (_cut_off, "damaged"),
        (_without_place, "place in space"),
    ],
)
def test_what_cannot_be_placed(written: tuple[Path, torch.Tensor], edit: Callable[[Any], None], message: str) -> None:
    dataset = pydicom.dcmread(written[0])
    edit(dataset)
    dataset.save_as(written[0])
    with pytest.raises(InputError, match=message):
        read_map(written[0])


def test_maps_that_do_not_lie_at_one_place(written: tuple[Path, torch.Tensor]) -> None:
    dataset = pydicom.dcmread(written[0])
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        x, y, z = frame.PlanePositionSequence[0].ImagePositionPatient
        frame.PlanePositionSequence[0].ImagePositionPatient = [x + 5, y, z]
    dataset.save_as(written[0].parent / "other.dcm")
    with pytest.raises(InputError, match="one place"):
        read_map(written[0].parent)

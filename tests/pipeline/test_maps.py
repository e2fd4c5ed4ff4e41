# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_diffdenoise.data import read_volume, volume_from_array
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline import maps
from monai_diffdenoise.pipeline.maps import check_map, write_map

VOLUME = volume_from_array(torch.rand(1, 6, 5, 4), slice_axis=2)


@pytest.mark.parametrize("name", ["map.nii.gz", "map.nrrd", "map.mha"])
def test_map_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    values = torch.rand(1, 6, 5, 4) - 0.5
    check_map(VOLUME, tmp_path / name)
    write_map(VOLUME, values, tmp_path / name, "residual")
    assert torch.equal(read_volume(tmp_path / name).image.as_tensor(), values)
    with pytest.raises(InputError, match="exists"):
        write_map(VOLUME, values, tmp_path / name, "residual")
    write_map(VOLUME, -values, tmp_path / name, "residual", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("name", "match"), [("maps", "not DICOM"), ("map.dcm", "not DICOM"), ("map.png", "one plane")])
def test_what_cannot_be_written_is_told_first(name: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=match) as caught:
        check_map(VOLUME, tmp_path / name)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_missing_highdicom_is_told_first(make_series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = read_volume(make_series())
    check_map(volume, tmp_path / "map.nii")
    monkeypatch.setattr(maps.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="dicom-maps"):
        check_map(volume, tmp_path / "maps")

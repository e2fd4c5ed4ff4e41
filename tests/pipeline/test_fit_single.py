# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.pipeline.fit_single, and of what is done with the model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_diffdenoise.cli.main import main
from monai_diffdenoise.data import read_volume
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.pipeline import model_folder
from monai_diffdenoise.pipeline.export import export_model
from monai_diffdenoise.pipeline.fit import fit
from monai_diffdenoise.pipeline.model_folder import load_model
from monai_diffdenoise.pipeline.model_plan import plan_for_model
from monai_diffdenoise.pipeline.run import denoise_volume
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from tests.pipeline.test_fit import write
from tests.pipeline.test_three_stages import TINY

CPU = DenoiseSettings(device="cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write(folder, "a.nii.gz", strength=0.08, seed=1)
    write(folder, "b.nii.gz", strength=0.12, seed=2)
    return folder


def settings_of(method: Any, **changes: Any) -> DenoiseSettings:
    return replace(DenoiseSettings(**TINY), method=method, **changes)


def write_series(folder: Path, times: int) -> Path:
    folder.mkdir()
    clean = make_phantom((24, 24, 8), seed=1)
    noisy = torch.stack([100 * add_noise(clean, "gaussian", 0.1, seed=seed) for seed in range(times)], -1)
    nib.save(nib.Nifti1Image(noisy.squeeze(-1).numpy(), np.eye(4)), folder / "series.nii.gz")
    return folder / "series.nii.gz"


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("bsn", {}),
        ("bsn", {"network": "puca", "stride": 2, "channels": 8, "iterations": 120}),
        ("bsn", {"blind_spot": 0}),
        ("ns-n2n", {"iterations": 30, "fusion": False}),
        ("ns-n2n", {"pairing": "slice-blind"}),
    ],
)
def test_the_model_does_to_its_volume_what_the_method_does(
    method: str, changes: dict[str, Any], tmp_path: Path, blind_network: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(model_folder._NETWORKS, "puca", blind_network)
    path = write(tmp_path / "d", "a.nii.gz")
    settings = settings_of(method, **changes)
    fit(tmp_path / "d", tmp_path / "w", settings)
    again = replace(CPU, fusion=settings.fusion)
    found = denoise_volume(read_volume(path), again, model=load_model(tmp_path / "w"))
    expected = denoise_volume(read_volume(path), settings)
    assert torch.equal(found.image.as_tensor(), expected.image.as_tensor())
    assert not torch.equal(found.image.as_tensor(), read_volume(path).image.as_tensor())
    assert "trained already" in found.report["plan"]["reasons"][0]
    assert not any("asked for" in reason for reason in found.report["plan"]["reasons"])


def test_axes_are_those_that_a_volume_allows_of_those_that_were_learned(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    noisy = 100 * add_noise(make_phantom((32, 32, 20), seed=1), "gaussian", 0.1, seed=1).numpy()
    nib.save(nib.Nifti1Image(noisy, np.eye(4)), tmp_path / "d" / "a.nii.gz")
    volume = read_volume(tmp_path / "d" / "a.nii.gz")
    settings, asked = settings_of("bsn", axes="all"), replace(CPU, axes="all")
    fit(tmp_path / "d", tmp_path / "w", settings)
    model = load_model(tmp_path / "w")
    found = denoise_volume(volume, asked, model=model)
    assert len(found.report["plan"]["others"]) == 2
    assert torch.equal(found.image.as_tensor(), denoise_volume(volume, settings).image.as_tensor())
    assert plan_for_model(volume, replace(CPU, axes="one"), model).others == ()
    single = replace(model, info={**model.info, "plan": {**model.info["plan"], "axes": "one"}})
    assert plan_for_model(volume, asked, single).others == ()


def test_repeats_teach_a_model_that_also_takes_one_volume(tmp_path: Path) -> None:
    series = write_series(tmp_path / "d", 3)
    settings = settings_of("ns-n2n", pairing="repeat")
    fit(tmp_path / "d", tmp_path / "w", settings)
    model = load_model(tmp_path / "w")
    found = denoise_volume(read_volume(series), CPU, model=model)
    assert torch.equal(found.image.as_tensor(), denoise_volume(read_volume(series), settings).image.as_tensor())
    single = denoise_volume(read_volume(write(tmp_path, "a.nii.gz")), CPU, model=model)
    assert single.report["plan"]["pairing"] == "neighbor"


@pytest.mark.parametrize("method", ["bsn", "ns-n2n"])
def test_two_volumes_teach_one_network_for_a_third(
    method: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, said, seen = tmp_path / "w", [], set()
    settings = settings_of(method)
    summary = fit(data, work, settings, say=said.append)
    assert "2 volumes" in said[0] and "min" in said[1]
    assert json.loads((work / "settings.json").read_text())["settings"]["method"] == method
    assert json.loads((work / "summary.json").read_text()) == json.loads(json.dumps(summary))
    assert set(summary["scores"]) == {"training"} and len(summary["compared"]) == 2
    # each volume's own noise, in units of its range
    assert 0.05 < summary["noise"]["lowest"] < summary["noise"]["highest"] < 0.2
    weights = (work / "model" / "weights.pt").read_bytes()
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "a.nii.gz").symlink_to(data / "a.nii.gz")
    fit(alone, tmp_path / "w1", settings)
    assert (tmp_path / "w1" / "model" / "weights.pt").read_bytes() != weights

    # finished: nothing is trained again, unless a setting changed
    fit(data, work, settings, resume=True, progress=lambda stage, done, total: seen.add(stage))
    assert "training" not in seen and (work / "model" / "weights.pt").read_bytes() == weights
    fit(data, work, replace(settings, iterations=6), resume=True)
    assert (work / "model" / "weights.pt").read_bytes() != weights

    third, out = write(tmp_path, "c.nii.gz", seed=3), tmp_path / "out.nii.gz"
    assert main(["denoise", str(third), str(out), "--model", str(work), "--json", str(tmp_path / "r.json")]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["plan"]["method"] == method and "pair_error" not in report["scores"]
    assert "outside" not in capsys.readouterr().err
    loud = read_volume(write(tmp_path, "loud.nii.gz", strength=0.4, seed=3))
    warnings = denoise_volume(loud, CPU, model=load_model(work)).warnings
    assert any("outside of what the model was trained on" in warning for warning in warnings)


def test_the_estimate_is_of_the_right_size(data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    fit(data, tmp_path / "w", settings_of("ns-n2n", channels=16), say=said.append)
    kept = sum(path.stat().st_size for path in (tmp_path / "w").rglob("*") if path.is_file()) / 2**20
    told = float(said[1].split(" MB in the work folder")[0].split()[-1])
    assert kept > 5 and 0.7 * kept < told < 1.5 * kept
    assert "about 0 MB of memory" in said[1] and said[1].endswith(" 1 min")


@pytest.mark.slow
@pytest.mark.parametrize(("method", "channels"), [("bsn", 3), ("ns-n2n", 1)])
def test_the_work_folder_can_be_exported(method: str, channels: int, data: Path, tmp_path: Path) -> None:
    fit(data, tmp_path / "w", settings_of(method))
    told = export_model(tmp_path / "w", tmp_path / "net.pt2")
    # the slice, and with bsn its two neighbors
    assert len(told["channels"]) == channels and told["info"]["plan"]["method"] == method

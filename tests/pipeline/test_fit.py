# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.pipeline.fit, and of what is done with the model."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_diffdenoise.cli.main import main
from monai_diffdenoise.data import read_volume, volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.fit import fit
from monai_diffdenoise.pipeline.model_folder import load_model
from monai_diffdenoise.pipeline.run import denoise_volume
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.pipeline.shared_plan import plan_together
from tests.pipeline.test_three_stages import TINY

SETTINGS = DenoiseSettings(**TINY)
ROOT = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.usefixtures("one_thread")


def write(folder: Path, name: str, strength: float = 0.1, seed: int = 1, shape: tuple = (24, 24, 8)) -> Path:
    folder.mkdir(exist_ok=True)
    noisy = 100 * add_noise(make_phantom((24, 24, 8), seed=seed), "gaussian", strength, seed=seed).numpy()
    nib.save(nib.Nifti1Image(noisy[tuple(slice(0, side) for side in shape)], np.eye(4)), folder / name)
    return folder / name


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write(folder, "a.nii.gz", seed=1)
    write(folder, "b.nii.gz", seed=2)
    return folder


@pytest.fixture(scope="module")
def fitted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    work = tmp_path_factory.mktemp("fit") / "work"
    said: list[str] = []
    fit(data, work, SETTINGS, say=said.append)
    (work.parent / "said.txt").write_text("\n".join(said))
    return work


def test_a_fit_leaves_settings_a_model_and_a_summary_and_says_what_it_takes(fitted: Path) -> None:
    assert {path.name for path in fitted.iterdir()} == {"settings.json", "summary.json", "model", "stages"}
    assert json.loads((fitted / "settings.json").read_text())["settings"]["student_channels"] == 4
    summary = json.loads((fitted / "summary.json").read_text())
    assert summary["volumes"] == 2
    assert set(summary["scores"]) == {"blind-spot", "diffusion", "student"}
    assert [found["volume"] for found in summary["compared"]] == [1, 2]
    # the noise is a tenth of the range of the phantom
    assert 0.05 < summary["noise"]["lowest"] <= summary["noise"]["highest"] < 0.2
    said = (fitted.parent / "said.txt").read_text()
    assert "2 volumes" in said
    assert "MB in the work folder" in said
    everything = "".join(path.read_text() for path in fitted.rglob("*.json"))
    assert "a.nii" not in everything


def test_the_model_denoises_another_volume(fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write(tmp_path, "c.nii.gz", seed=3)
    out, report = tmp_path / "out.nii.gz", tmp_path / "r.json"
    assert main(["denoise", str(other), str(out), "--model", str(fitted), "--json", str(report)]) == 0
    told = json.loads(report.read_text())
    assert told["plan"]["network"] == "nafnet"
    assert told["scores"]["choice"]["returned"] in ("student", "student + fusion")
    assert "outside" not in capsys.readouterr().err
    assert nib.load(out).shape == (24, 24, 8)
    # the folder of the model itself is as good, and the same bits come out
    again = denoise_volume(read_volume(other), DenoiseSettings(), model=load_model(fitted / "model"))
    assert np.allclose(again.image[0].numpy(), nib.load(out).get_fdata(), atol=1e-4)


def test_the_student_is_what_denoises(fitted: Path, tmp_path: Path) -> None:
    model = load_model(fitted)
    volume = read_volume(write(tmp_path, "c.nii.gz", seed=3))

    class Smooth(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.avg_pool2d(image[:, :1], 3, 1, 1, count_include_pad=False)

    class Constant(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.full_like(image[:, :1], 0.5)

    good = denoise_volume(volume, DenoiseSettings(fusion=False), model=replace(model, network=Smooth()))
    assert torch.allclose(
        good.image.as_tensor().movedim(-1, 0), Smooth()(volume.image.as_tensor().movedim(-1, 0)), atol=1e-3
    )
    # a network that makes the image worse does no harm
    bad = denoise_volume(volume, DenoiseSettings(fusion=False), model=replace(model, network=Constant()))
    assert torch.equal(bad.image.as_tensor(), volume.image.as_tensor())
    assert any("unchanged" in warning for warning in bad.warnings)


def test_other_noise_than_in_the_training_is_said(fitted: Path, tmp_path: Path) -> None:
    volume = read_volume(write(tmp_path, "c.nii.gz", strength=0.3, seed=3))
    result = denoise_volume(volume, DenoiseSettings(), model=load_model(fitted))
    assert any("outside of what the model was trained on" in warning for warning in result.warnings)


def test_a_finished_fit_runs_nothing_again_and_a_changed_one_only_what_depends_on_it(
    data: Path, fitted: Path, tmp_path: Path
) -> None:
    seen: set[str] = set()

    def again(**changes: Any) -> bytes:
        seen.clear()
        tell = lambda stage, done, total: seen.add(stage)  # noqa: E731
        fit(data, tmp_path / "w", replace(SETTINGS, **changes), resume=True, progress=tell)
        return (tmp_path / "w" / "model" / "weights.pt").read_bytes()

    shutil.copytree(fitted, tmp_path / "w")
    weights = (fitted / "model" / "weights.pt").read_bytes()
    assert again() == weights
    assert not {"blind-spot", "conditions", "diffusion", "sampling", "student"} & seen
    assert again(student_iterations=6) != weights
    assert "student" in seen
    assert not {"blind-spot", "conditions", "diffusion", "sampling"} & seen
    again(recorruption_tau=1.0)
    assert {"diffusion", "sampling"} <= seen
    assert "blind-spot" not in seen


def test_folders_that_are_wrong_are_refused(data: Path, fitted: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--resume"):
        fit(data, fitted, SETTINGS)
    with pytest.raises(InputError, match="in the data"):
        fit(data, data / "work", SETTINGS)
    write(tmp_path / "mine", "a.nii.gz")
    with pytest.raises(InputError, match="something else"):
        fit(data, tmp_path / "mine", SETTINGS)
    with pytest.raises(InputError, match="does not exist"):
        fit(data, tmp_path / "no" / "work", SETTINGS)
    with pytest.raises(InputError, match="no volume was found"):
        fit(tmp_path, tmp_path / "work", SETTINGS)
    for folder in (data, tmp_path / "none"):
        with pytest.raises(InputError, match=r"model\.json"):
            load_model(folder)


def test_volumes_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "d", "a.nii.gz")
    write(tmp_path / "d", "b.nii.gz", shape=(24, 24, 1))
    with pytest.raises(InputError, match="single images"):
        fit(tmp_path / "d", tmp_path / "w", SETTINGS)
    assert not (tmp_path / "w").exists()


def test_differing_plans_take_the_more_careful_choice() -> None:
    clean = make_phantom((24, 24, 8), seed=0)
    volumes = [volume_from_array(100 * add_noise(clean, "gaussian", 0.1, seed=1)[None])]
    # a second one with too few slices for as much context
    volumes.append(volume_from_array(volumes[0].image.as_tensor()[..., :4]))
    settings = replace(SETTINGS, method="diffdenoise")
    apart = [plan_together([volume], settings)[0] for volume in volumes]
    assert apart[0].context != apart[1].context
    plans = plan_together(volumes, settings)
    assert {plan.context for plan in plans} == {min(plan.context for plan in apart)}


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--method", "bsn"], "leave the method out"),
        (["--save-uncertainty", "u.nii.gz"], "diffdenoise"),
    ],
)
def test_what_does_not_go_with_a_model_is_refused(
    fitted: Path, data: Path, tmp_path: Path, arguments: list[str], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "o.nii.gz")
    assert main(["denoise", str(data / "a.nii.gz"), out, "--model", str(fitted), *arguments]) == 2
    assert match in capsys.readouterr().err
    assert not Path(out).exists()


def _killed(data: Path, tmp_path: Path, moments: int, method: str) -> tuple[list[str], int]:
    seed = random.SystemRandom().randrange(10**6)
    run = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("killed_fit.py")),
            data,
            tmp_path,
            str(seed),
            str(moments),
            method,
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert run.returncode == 0, (seed, run.stderr[-2000:])
    return run.stdout.splitlines(), seed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
@pytest.mark.parametrize(
    ("moments", "method"),
    [
        (1, "diffdenoise"),
        (1, "bsn"),
        *(pytest.param(10, method, marks=pytest.mark.slow) for method in ("diffdenoise", "bsn", "ns-n2n")),
    ],
)
def test_a_killed_fit_ends_with_the_same_bits(data: Path, tmp_path: Path, moments: int, method: str) -> None:
    lines, seed = _killed(data, tmp_path, moments, method)
    told: dict[str, Any] = dict(line.split() for line in lines[-2:])
    assert told["whole"] == told["killed"], (seed, lines)
    assert sum(line.startswith("killed") for line in lines[:-2]) == moments, (seed, lines)

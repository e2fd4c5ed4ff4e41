# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Bundle diffusion: it trains as the package does, by any target, and makes targets for the next stage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.networks.schedulers import DDPMScheduler

from monai_diffdenoise.bundle_lint import parse_config
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.engines import PairTraining, TargetCache, TrainingOptions, place
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import (
    ConditionalMeanInferer,
    ConditionalMeanPairInferer,
    DiffusionPairInferer,
    SRDSInferer,
)
from monai_diffdenoise.losses import DiffusionPairLoss
from monai_diffdenoise.networks import BlindStack, ConditionalDiffusion
from monai_diffdenoise.pipeline import first_network, prepare_conditions
from monai_diffdenoise.transforms import RandConditionedPaird
from tests.bundles.kit import BUNDLES, TINY, causes, command_line, run, workflow

BUNDLE = next(bundle for bundle in BUNDLES if bundle.name == "diffusion")
Made = Callable[[str], Path]


@pytest.fixture
def weights(made: Made) -> dict[str, Path]:
    return {"bsn_checkpoint": made("bsn_checkpoint"), "ckpt_path": made("diffusion") / "model.pt"}


def test_ids_agree_between_the_programs() -> None:
    """What has to be the same in training and afterwards has the same default."""
    train, evaluate, inference = (parse_config(path) for path in (BUNDLE.train, BUNDLE.evaluate, BUNDLE.inference))
    same = ("context", "blind_spot", "show_noisy", "sampler", "steps", "condition_noise", "shown", "network_def")
    for name in (*same, "scheduler", "bsn_def", "bsn"):
        assert train[name] == evaluate[name] == inference[name], name
    assert evaluate["state"] == inference["state"]


@pytest.mark.parametrize("sampler", ["srds", pytest.param("mean", marks=pytest.mark.slow)])
def test_configuration_trains_as_the_package_does(sampler: str, made: Made, noisy: Path, tmp_path: Path) -> None:
    """What train.yaml puts together is what ``PairTraining`` puts together: the same weights, bit for bit."""
    override = {**TINY, "val_batch_size": 4, "draws": 2, "sampler": sampler, "steps": 2}
    checkpoint, data = made("bsn_checkpoint"), noisy / "a.nii.gz"
    first = place(first_network(BlindStack(context_channels=4), checkpoint), "cpu")
    conditions = prepare_conditions(data, first, draws=2)
    configured = workflow(
        BUNDLE.train, "train", dataset_dir=data, output_dir=tmp_path, bsn_checkpoint=checkpoint, **override
    )
    network = place(ConditionalDiffusion(condition_channels=2), "cpu")
    network.load_state_dict(configured.network_def.state_dict())
    scheduler = DDPMScheduler(1000, prediction_type="v_prediction")
    state, mean = conditions.state, sampler == "mean"
    training = PairTraining(
        network,
        conditions.volumes,
        conditions.pairing,
        DiffusionPairLoss(),
        ConditionalMeanPairInferer(state) if mean else DiffusionPairInferer(scheduler, state),
        TrainingOptions(6, 3, 2, 16, 2e-3, 1e-5, 0.99, 4, 12, 0, 0, amp=False, compile=False),
        torch.device("cpu"),
        make_pairs=RandConditionedPaird,
        held_out_inferer=ConditionalMeanInferer(state) if mean else SRDSInferer(scheduler, 2, state=state),
    )
    training.run()
    configured.run()
    expected = training.best.weights
    mine = BUNDLE.trained(tmp_path).state_dict()
    assert all(torch.equal(mine[name], expected[name]) for name in expected)
    assert json.loads((tmp_path / "scale.json").read_text()) == {"scale": conditions.scale}


@pytest.mark.parametrize(
    "other", [{"target": "same", "show_noisy": False}, {"target": "neighbor"}, {"context": 0, "draws": 1}], ids=str
)
def test_other_targets_and_first_networks(other: dict[str, Any], made: Made, noisy: Path, tmp_path: Path) -> None:
    checkpoint = made("bsn_checkpoint")
    if "context" in other:
        torch.save(BlindStack(context_channels=0).state_dict(), tmp_path / "first.pt")
        checkpoint = tmp_path / "first.pt"
    made_by = run(
        BUNDLE.train,
        "train",
        dataset_dir=noisy / "a.nii.gz",
        output_dir=tmp_path / "m",
        bsn_checkpoint=checkpoint,
        **{**TINY, **other},
    )
    conditions = made_by.parser.get_parsed_content("conditions")
    assert conditions.pairing.target == other.get("target", "recorrupted")
    assert conditions.held_out_pairing.leak_free
    assert (tmp_path / "m" / "model.pt").is_file()


def test_repeats_are_each_others_targets(made: Made, tmp_path: Path) -> None:
    clean = make_phantom((32, 32, 5))
    series = torch.stack([add_noise(clean, "gaussian", 0.05, seed=seed) for seed in range(3)], dim=-1)
    nib.save(nib.Nifti1Image(series.numpy(), np.eye(4)), tmp_path / "series.nii")
    override = {"dataset_dir": tmp_path / "series.nii", "bsn_checkpoint": made("bsn_checkpoint"), "target": "repeat"}
    run(BUNDLE.train, "train", output_dir=tmp_path / "m", **override, **TINY)
    assert (tmp_path / "m" / "model.pt").is_file()
    with pytest.raises(RuntimeError) as caught:
        workflow(BUNDLE.train, "train", **{**override, "dataset_dir": "phantom"}).parser.get_parsed_content("data")
    assert "time points" in str(causes(caught.value)[-1])


def test_a_missing_first_network_is_named(noisy: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        run(
            BUNDLE.train,
            "train",
            dataset_dir=noisy,
            output_dir=tmp_path,
            bsn_checkpoint=tmp_path / "no.pt",
            **TINY,
        )
    error = causes(caught.value)[-1]
    assert isinstance(error, InputError) and "program training of bundle bsn" in str(error)


def test_showing_the_target_is_refused(made: Made, noisy: Path, tmp_path: Path) -> None:
    override = {"bsn_checkpoint": made("bsn_checkpoint"), "output_dir": tmp_path, "target": "same"}
    with pytest.raises(RuntimeError) as caught:
        run(BUNDLE.train, "train", dataset_dir=noisy / "a.nii.gz", **override, **TINY)
    assert "show_noisy" in str(causes(caught.value)[-1])


def test_weights_without_their_scale_are_refused(weights: dict[str, Path], noisy: Path, tmp_path: Path) -> None:
    shutil.copy(weights["ckpt_path"], tmp_path / "model.pt")
    with pytest.raises(RuntimeError) as caught:
        run(
            BUNDLE.inference,
            "infer",
            dataset_dir=noisy,
            output_dir=tmp_path / "o",
            **{**weights, "ckpt_path": tmp_path / "model.pt"},
        )
    assert any("keep both together" in str(error) for error in causes(caught.value) if isinstance(error, InputError))


def test_an_untrained_model_gives_what_the_first_network_gave(made: Made, noisy: Path, tmp_path: Path) -> None:
    """From both stages to the file: units, axes and slices of the condition arrive where they belong."""
    torch.save(ConditionalDiffusion(condition_channels=2).state_dict(), tmp_path / "model.pt")
    (tmp_path / "scale.json").write_text('{"scale": 0.05}')
    files = {"dataset_dir": noisy / "b.nii", "output_dtype": "float32"}
    weights = {"bsn_checkpoint": made("bsn_checkpoint"), "ckpt_path": tmp_path / "model.pt"}
    run(BUNDLE.inference, "infer", output_dir=tmp_path / "two", steps=2, tile=16, **files, **weights)
    bsn = next(bundle for bundle in BUNDLES if bundle.name == "bsn")
    first = {"ckpt_path": made("bsn_checkpoint"), "output_dir": tmp_path / "one", "fusion": False, "tile": 16}
    run(bsn.inference, "infer", **files, **first)
    one, two = (nib.load(tmp_path / name / "b_denoised.nii").get_fdata() for name in ("one", "two"))
    assert np.abs(one - two).max() < 1e-3 * np.ptp(one)


def test_the_mean_has_no_spread(weights: dict[str, Path], noisy: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        run(BUNDLE.inference, "infer", dataset_dir=noisy, output_dir=tmp_path, spread=True, **weights)
    assert "draws nothing" in str(causes(caught.value)[-1])


@pytest.mark.parametrize("name", ["a.nii.gz", "b.nii"])
def test_the_spread_is_a_file_of_its_own(name: str, weights: dict[str, Path], noisy: Path, tmp_path: Path) -> None:
    run(
        BUNDLE.inference,
        "infer",
        dataset_dir=noisy / name,
        output_dir=tmp_path / "o",
        spread=True,
        sampler="srds",
        steps=2,
        **weights,
    )
    spread = nib.load(tmp_path / "o" / f"{name.split('.')[0]}_denoised_spread.nii.gz")
    before = nib.load(noisy / name)
    assert spread.shape == before.shape and np.array_equal(spread.affine, before.affine)
    values = spread.get_fdata()
    assert spread.get_data_dtype() == np.float32 and values.min() >= 0 and 0 < values.mean() < 200
    assert len(list((tmp_path / "o").iterdir())) == 2


def test_generation_goes_on_and_is_the_same_in_parts(
    made: Made, weights: dict[str, Path], noisy: Path, tmp_path: Path
) -> None:
    whole = TargetCache(made("targets_dir"))
    keys = sorted(path.name for path in whole.folder.iterdir() if path.is_dir())
    assert len(keys) == 4, "slices at the measured distance of 2"
    for rank in (1, 0):
        run(
            BUNDLE.inference,
            "infer",
            "generating",
            dataset_dir=noisy,
            targets_dir=tmp_path,
            sampler="srds",
            steps=2,
            weigh=True,
            rank=rank,
            world_size=2,
            **weights,
        )
        assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 4 - 2 * rank
    for key in keys:
        for file in ("targets.npy", "weight.npy"):
            assert (tmp_path / key / file).read_bytes() == (whole.folder / key / file).read_bytes()
    found = whole.read(keys[0])
    assert 0 <= float(found["weight"].min()) < float(found["weight"].max()) <= 1


def test_targets_of_other_settings_are_refused(made: Made, weights: dict[str, Path], noisy: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        run(
            BUNDLE.inference,
            "infer",
            "generating",
            dataset_dir=noisy,
            targets_dir=made("targets_dir"),
            sampler="srds",
            steps=3,
            **weights,
        )
    assert "other weights or settings" in str(causes(caught.value)[-1])


@pytest.mark.slow
def test_two_processes_generate_what_one_does(
    made: Made, weights: dict[str, Path], noisy: Path, tmp_path: Path
) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    configs = str([str(BUNDLE.inference), str(BUNDLE.configs / "multi_gpu_generate.yaml")])
    flags = ["--dataset_dir", str(noisy), "--targets_dir", str(tmp_path / "t"), "--sampler", "srds"]
    flags += ["--steps", "2", "--weigh", "True"]
    flags += [word for name, path in weights.items() for word in (f"--{name}", str(path))]
    command_line("generating", "--config_file", configs, *flags, cwd=tmp_path, launcher=launcher)
    one = {path.name: path for path in made("targets_dir").rglob("*.npy")}
    assert one
    for path in made("targets_dir").rglob("*.npy"):
        mine = np.load(tmp_path / "t" / path.parent.name / path.name)
        np.testing.assert_allclose(mine, np.load(path), rtol=0, atol=1e-5)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Bundle ns_n2n: it trains as the command line does, and keeps what its network does not change."""

from __future__ import annotations

import inspect
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_diffdenoise.bundle_lint import parse_config
from monai_diffdenoise.data import read_volume
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.networks import ResidualDenoiser
from monai_diffdenoise.pipeline import DenoiseSettings, make_plan, resolve
from monai_diffdenoise.pipeline.zero_shot import ZeroShot
from tests.bundles.kit import BUNDLES, TINY, run

BUNDLE = next(bundle for bundle in BUNDLES if bundle.name == "ns_n2n")


def test_defaults_are_those_of_the_command_line() -> None:
    """The command line's preset is the one source of numbers; the bundle repeats them for people to see and change."""
    settings = resolve(DenoiseSettings())
    config = parse_config(BUNDLE.train)
    assert config["max_epochs"] * config["epoch_length"] == settings.iterations
    assert config["epoch_length"] == settings.validate_every
    assert config["val_batch_size"] * config["val_batches"] == settings.validation_pairs
    same = (
        "patience batch_size patch_size learning_rate weight_decay ema_decay lambda_rc lambda_ic num_workers seed amp"
    )
    for name in same.split():
        assert config[name] == getattr(settings, name), name
    inference = parse_config(BUNDLE.inference)
    assert inference["batch_size"] == settings.inference_batch
    assert inference["tile"] == settings.tile
    assert inference["fusion"] == settings.fusion
    arguments = inspect.signature(ResidualDenoiser).parameters
    assert arguments["channels"].default == settings.channels
    assert arguments["levels"].default == settings.levels
    for path in (BUNDLE.train, BUNDLE.evaluate, BUNDLE.inference):
        assert parse_config(path)["network_def"] == {"_target_": "monai_diffdenoise.networks.ResidualDenoiser"}


def test_configuration_trains_as_the_package_does(tmp_path: Path) -> None:
    """What train.yaml puts together is what ``PairTraining`` puts together: the same weights, bit for bit."""
    image = add_noise(make_phantom((32, 32, 8)), "gaussian", 0.05, seed=1)
    nib.save(nib.Nifti1Image(image.numpy(), np.eye(4)), tmp_path / "a.nii")
    sizes = {"iterations": 6, "validate_every": 3, "batch_size": 2, "patch_size": 16, "validation_pairs": 4}
    settings = resolve(DenoiseSettings(method="ns-n2n", distance=1, **sizes))
    volume = read_volume(tmp_path / "a.nii")
    job = ZeroShot(volume.image.as_tensor(), make_plan(volume, settings), settings, torch.device("cpu"))
    expected = job.train().state_dict()
    override = {**TINY, "val_batch_size": 4, "distance": 1}
    made = run(BUNDLE.train, "train", dataset_dir=tmp_path / "a.nii", output_dir=tmp_path / "m", **override)
    mine = BUNDLE.trained(tmp_path / "m").state_dict()
    assert all(torch.equal(mine[name], expected[name]) for name in expected)
    assert made.evaluator.state.metrics["pair_error"] == job.scores["validations"][-1]


@pytest.mark.parametrize("fusion", [True, False])
def test_identity_network_changes_no_bit(fusion: bool, noisy: Path, tmp_path: Path) -> None:
    torch.save(ResidualDenoiser().state_dict(), tmp_path / "identity.pt")
    override = {"ckpt_path": tmp_path / "identity.pt", "output_dir": tmp_path, "tile": 16, "fusion": str(fusion)}
    run(BUNDLE.inference, "infer", dataset_dir=noisy / "b.nii", **override)
    before, after = nib.load(noisy / "b.nii"), nib.load(tmp_path / "b_denoised.nii")
    assert np.array_equal(np.asarray(before.dataobj.get_unscaled()), np.asarray(after.dataobj.get_unscaled()))

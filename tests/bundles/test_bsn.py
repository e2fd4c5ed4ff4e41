# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Bundle bsn: it trains as the command line does, takes other networks and single images, and stays blind."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_diffdenoise.bundle_lint import parse_config
from monai_diffdenoise.data import read_volume
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.networks import LGBPN, PUCA, BlindStack
from monai_diffdenoise.pipeline import DenoiseSettings, make_plan, resolve
from monai_diffdenoise.pipeline.zero_shot import ZeroShot
from tests.bundles.kit import BUNDLES, TINY, causes, run
from tests.networks.blindness import seen_in_spot

BUNDLE = next(bundle for bundle in BUNDLES if bundle.name == "bsn")


def test_defaults_are_those_of_the_command_line() -> None:
    """The command line's preset is the one source of numbers; the bundle repeats them for people to see and change."""
    settings = resolve(DenoiseSettings(), "bsn")
    config = parse_config(BUNDLE.train)
    assert config["max_epochs"] * config["epoch_length"] == settings.iterations
    assert config["epoch_length"] == settings.validate_every
    assert config["val_batch_size"] * config["val_batches"] == settings.validation_pairs
    same = "patience batch_size patch_size learning_rate weight_decay ema_decay num_workers seed amp"
    for name in same.split():
        assert config[name] == getattr(settings, name), name
    inference = parse_config(BUNDLE.inference)
    assert inference["batch_size"] == settings.inference_batch
    assert inference["tile"] == settings.tile
    assert inference["fusion"] == settings.fusion
    assert inspect.signature(BlindStack).parameters["channels"].default == settings.channels
    made = {path.name: parse_config(path) for path in (BUNDLE.train, BUNDLE.evaluate, BUNDLE.inference)}
    for name, found in made.items():
        assert found["network_def"]["_target_"] == "monai_diffdenoise.networks.BlindStack", name
        assert (found["context"], found["blind_spot"]) == (4, 1), name


def test_configuration_trains_as_the_package_does(tmp_path: Path) -> None:
    """What train.yaml puts together is what ``PairTraining`` puts together: the same weights, bit for bit."""
    image = add_noise(make_phantom((32, 32, 8)), "gaussian", 0.05, seed=1)
    nib.save(nib.Nifti1Image(image.numpy(), np.eye(4)), tmp_path / "a.nii")
    sizes: dict[str, Any] = {"iterations": 6, "validate_every": 3, "batch_size": 2, "patch_size": 16}
    same = {"distance": 1, "context": 4, "blind_spot": 1, "axes": "one", "stabilize": "off", "validation_pairs": 4}
    settings = resolve(DenoiseSettings(method="bsn", **sizes, **same), "bsn")
    volume = read_volume(tmp_path / "a.nii")
    job = ZeroShot(volume.image.as_tensor(), make_plan(volume, settings), settings, torch.device("cpu"))
    expected = job.train().state_dict()
    override = {**TINY, "val_batch_size": 4, "distance": 1}
    made = run(BUNDLE.train, "train", dataset_dir=tmp_path / "a.nii", output_dir=tmp_path / "m", **override)
    mine = BUNDLE.trained(tmp_path / "m").state_dict()
    assert all(torch.equal(mine[name], expected[name]) for name in expected)
    assert made.evaluator.state.metrics["pair_error"] == job.scores["validations"][-1]


def test_trained_network_is_blind_to_its_own_pixel(model_of_bsn: Path) -> None:
    network = BUNDLE.trained(model_of_bsn).double()
    image = torch.randn(1, 5, 13, 11, dtype=torch.float64)
    everywhere = [(row, column) for row in range(13) for column in range(11)]
    inside, outside = seen_in_spot(network, image, everywhere, [(0, 0)])
    assert inside == 0 and outside > 0


@pytest.fixture(scope="module")
def model_of_bsn(noisy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bsn")
    run(BUNDLE.train, "train", dataset_dir=noisy / "b.nii", output_dir=folder, **TINY)
    return folder


@pytest.mark.parametrize(("overlay", "kind"), [("puca", PUCA), ("lgbpn", LGBPN)])
def test_other_networks_train_and_denoise(overlay: str, kind: type, noisy: Path, tmp_path: Path) -> None:
    extra = BUNDLE.configs / f"{overlay}.yaml"
    small = {"dataset_dir": noisy / "b.nii", "network_def::channels": 8}
    if overlay == "lgbpn":
        small |= {"network_def::local_blocks": 1, "network_def::global_blocks": 0, "blind_spot": 5}
    made = run([BUNDLE.train, extra], "train", output_dir=tmp_path / "m", **small, **TINY)
    assert isinstance(made.network_def, kind)
    run([BUNDLE.inference, extra], "infer", ckpt_path=tmp_path / "m" / "model.pt", output_dir=tmp_path, **small)
    assert nib.load(tmp_path / "b_denoised.nii").shape == nib.load(noisy / "b.nii").shape


def test_single_images_need_no_context(tmp_path: Path) -> None:
    image = add_noise(make_phantom((48, 40, 8)), "gaussian", 0.05, seed=1)[..., 4:5]
    nib.save(nib.Nifti1Image(image.numpy(), np.eye(4)), tmp_path / "slice.nii.gz")
    same: dict[str, Any] = {"dataset_dir": tmp_path / "slice.nii.gz", "context": 0}
    run(BUNDLE.train, "train", output_dir=tmp_path / "m", **same, **TINY)
    run(BUNDLE.inference, "infer", ckpt_path=tmp_path / "m" / "model.pt", output_dir=tmp_path / "out", **same)
    after = nib.load(tmp_path / "out" / "slice_denoised.nii.gz").get_fdata()
    assert after.shape == (48, 40, 1) and not np.array_equal(after, image.numpy())


def test_too_few_slices_for_the_context_are_named(tmp_path: Path) -> None:
    image = add_noise(make_phantom((48, 40, 8)), "gaussian", 0.05, seed=1)[..., 4:5]
    nib.save(nib.Nifti1Image(image.numpy(), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(RuntimeError) as caught:
        run(BUNDLE.train, "train", dataset_dir=tmp_path / "a.nii", output_dir=tmp_path / "m", **TINY)
    assert "context" in str(causes(caught.value)[-1])

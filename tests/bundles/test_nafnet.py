# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Bundle nafnet: the last link of the chain, and light without the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_diffdenoise.bundle_lint import parse_config
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.engines import PairTraining, TrainingOptions, place
from monai_diffdenoise.inferers import PairInferer
from monai_diffdenoise.losses import WeightedLoss
from monai_diffdenoise.networks import NAFNet
from monai_diffdenoise.pipeline import prepare_targets
from monai_diffdenoise.transforms import PseudoCleanPair, RandPseudoCleanPaird
from tests.bundles.kit import BUNDLES, TINY, causes, run

BUNDLE = next(bundle for bundle in BUNDLES if bundle.name == "nafnet")
Made = Callable[[str], Path]


def test_ids_agree_between_the_programs() -> None:
    train, evaluate, inference = (parse_config(path) for path in (BUNDLE.train, BUNDLE.evaluate, BUNDLE.inference))
    for name in ("context", "channels", "blocks", "middle", "decoder", "window", "network_def"):
        assert train[name] == evaluate[name] == inference[name], name
    text = BUNDLE.inference.read_text(encoding="utf-8")
    assert "bsn" not in text and "diffusion_root" not in text and "targets" not in text


@pytest.mark.parametrize("context", [0, 2])
def test_configuration_trains_as_the_package_does(context: int, made: Made, noisy: Path, tmp_path: Path) -> None:
    """What train.yaml puts together is what ``PairTraining`` puts together: the same weights, bit for bit."""
    override = {**TINY, "val_batch_size": 4, "context": context, "bsn_context": 4}
    data, targets = noisy / "a.nii.gz", made("targets_dir")
    torch.manual_seed(0)
    training = PairTraining(
        place(NAFNet(**{**BUNDLE.arguments, "in_channels": 1 + context}), "cpu"),
        prepare_targets(data, targets),
        PseudoCleanPair(context=context),
        WeightedLoss(),
        PairInferer(),
        TrainingOptions(6, 3, 2, 16, 2e-3, 1e-5, 0.99, 4, 12, 0, 0, amp=False, compile=False),
        torch.device("cpu"),
        make_pairs=RandPseudoCleanPaird,
    )
    training.run()
    run(BUNDLE.train, "train", dataset_dir=data, targets_dir=targets, output_dir=tmp_path, **override)
    mine = torch.load(tmp_path / "model.pt", weights_only=True)
    assert all(torch.equal(mine[name], value) for name, value in training.best.weights.items())
    weights = {"ckpt_path": tmp_path / "model.pt", "context": context}
    run(BUNDLE.inference, "infer", dataset_dir=noisy / "b.nii", output_dir=tmp_path / "o", **weights)
    assert nib.load(tmp_path / "o" / "b_denoised.nii").shape == nib.load(noisy / "b.nii").shape


def test_volumes_without_targets_are_named(made: Made, tmp_path: Path) -> None:
    image = add_noise(make_phantom((32, 32, 8), 7), "gaussian", 0.05, seed=1)
    nib.save(nib.Nifti1Image(image.numpy(), np.eye(4)), tmp_path / "other.nii")
    same = {"dataset_dir": tmp_path / "other.nii", "output_dir": tmp_path / "m", **TINY}
    with pytest.raises(RuntimeError) as caught:
        run(BUNDLE.train, "train", targets_dir=made("targets_dir"), **same)
    assert "without a target" in str(causes(caught.value)[-1])
    with pytest.raises(RuntimeError) as caught:
        run(BUNDLE.train, "train", targets_dir=tmp_path / "nothing", **same)
    assert "no targets" in str(causes(caught.value)[-1])


@pytest.mark.slow
def test_the_chain_of_bundles_denoises(tmp_path: Path) -> None:
    """bsn, diffusion, targets, nafnet, denoise, by configurations and overrides alone: each link beats its input."""
    clean = make_phantom((64, 64, 12))
    noisy = add_noise(clean, "gaussian", 0.1, seed=1)
    nib.save(nib.Nifti1Image(noisy.numpy(), np.eye(4)), tmp_path / "noisy.nii")
    bsn, diffusion = (next(bundle for bundle in BUNDLES if bundle.name == name) for name in ("bsn", "diffusion"))
    data, sizes = {"dataset_dir": tmp_path / "noisy.nii"}, {"epoch_length": 50, "device": "cpu"}
    first = {"bsn_checkpoint": tmp_path / "b" / "model.pt"}
    model = {"ckpt_path": tmp_path / "d" / "model.pt", **first}
    run(bsn.train, "train", output_dir=tmp_path / "b", max_epochs=4, **data, **sizes)
    run(diffusion.train, "train", output_dir=tmp_path / "d", max_epochs=4, **data, **sizes, **first)
    run(diffusion.inference, "infer", "generating", targets_dir=tmp_path / "t", **data, **model)
    run(BUNDLE.train, "train", output_dir=tmp_path / "n", targets_dir=tmp_path / "t", max_epochs=4, **data, **sizes)
    run(diffusion.inference, "infer", output_dir=tmp_path / "two", **data, **model)
    run(BUNDLE.inference, "infer", ckpt_path=tmp_path / "n" / "model.pt", output_dir=tmp_path / "three", **data)

    def error(name: str) -> float:
        found = nib.load(tmp_path / name / "noisy_denoised.nii").get_fdata()
        return float(np.square(found - clean.numpy()).mean())

    assert error("two") < 0.35 * 0.01 and error("three") < 0.35 * 0.01

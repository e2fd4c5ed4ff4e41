# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A student learns from cached targets by the same trainer as everything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from monai_diffdenoise.engines import PairTraining, TargetCache, TrainingOptions, generate_targets
from monai_diffdenoise.inferers import PairInferer, VolumeSliceInferer
from monai_diffdenoise.losses import WeightedLoss
from monai_diffdenoise.networks import ResidualDenoiser
from monai_diffdenoise.transforms import AffineScaling, PseudoCleanPair, RandPseudoCleanPaird


def test_a_student_learns_the_targets_where_they_are_trusted(
    picture: Callable[..., torch.Tensor], tmp_path: Path
) -> None:
    clean = picture(0.0)
    # wrong in every second column, which is not trusted
    wrong, trusted = clean.clone(), torch.ones_like(clean)
    wrong[:, :, ::2], trusted[:, :, ::2] = 5.0, 0.0
    volume = {"image": 100 * picture(0.1), "scaling": AffineScaling(0.0, 100.0)}
    volumes = generate_targets([volume], lambda _: (100 * wrong, trusted), TargetCache(tmp_path, "a"))
    torch.manual_seed(0)
    pairing = PseudoCleanPair(context=2)
    training = PairTraining(
        ResidualDenoiser(in_channels=3, channels=8, levels=2),
        volumes,
        pairing,
        WeightedLoss(),
        PairInferer(),
        TrainingOptions(60, 20, 4, 16, 4e-3, 1e-5, 0.9, 4, 0, 0, 0, amp=False, compile=False),
        torch.device("cpu"),
        make_pairs=RandPseudoCleanPaird,
    )
    network = training.run()
    scores = training.scores()
    assert scores["input_error"] == pytest.approx(0.01, rel=0.2)
    assert scores["pair_error"] < 0.005
    made = VolumeSliceInferer(pairing).denoise(volume["image"], network, [volume["scaling"]])
    assert float((made / 100 - clean).square().mean()) < 0.005

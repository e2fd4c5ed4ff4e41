# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A training small enough to run a hundred times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.transforms import Transform
from torch import nn

from monai_diffdenoise.engines import PairTraining, TrainingOptions
from monai_diffdenoise.inferers import SymmetricPairInferer
from monai_diffdenoise.losses import NeighborSliceLoss
from monai_diffdenoise.networks import ResidualDenoiser
from monai_diffdenoise.transforms import NeighborSlicePair

TINY: dict[str, Any] = {
    "iterations": 12,
    "epoch_length": 4,
    "batch_size": 2,
    "patch_size": 16,
    "learning_rate": 4e-3,
    "weight_decay": 1e-5,
    "ema_decay": 0.9,
    "validation_pairs": 4,
    "patience": 0,
    "num_workers": 0,
    "seed": 0,
    "amp": True,
    "compile": False,
}


def noisy_volume(sigma: float = 0.1, shape: tuple[int, int, int] = (24, 20, 8), seed: int = 0) -> torch.Tensor:
    """A smooth picture, the same in all slices, with white noise; (1, X, Y, Z)."""
    x, y = torch.meshgrid(torch.linspace(0, 6, shape[0]), torch.linspace(0, 6, shape[1]), indexing="ij")
    clean = (0.5 + 0.3 * torch.sin(x) * torch.cos(y))[None, :, :, None].expand(1, *shape)
    return clean + sigma * torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed))


def make_training(
    network: nn.Module | None = None,
    loss: Callable[..., torch.Tensor] | None = None,
    volumes: list[dict[str, torch.Tensor]] | None = None,
    folder: Path | None = None,
    fingerprint: str = "",
    resume: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    after: Transform | None = None,
    **changes: Any,
) -> PairTraining:
    """A training ready to run; settings by name."""
    options = TrainingOptions(**{**TINY, **changes})
    torch.manual_seed(options.seed)
    return PairTraining(
        network=network if network is not None else ResidualDenoiser(channels=4, levels=2),
        volumes=volumes if volumes is not None else [{"image": noisy_volume()}],
        pairing=NeighborSlicePair(),
        loss_function=loss if loss is not None else NeighborSliceLoss(),
        inferer=SymmetricPairInferer(),
        options=options,
        device=torch.device("cpu"),
        folder=folder,
        fingerprint=fingerprint,
        resume=resume,
        progress=progress,
        after=after,
    )


@pytest.fixture
def train() -> Callable[..., PairTraining]:
    """:func:`make_training`, for test modules, which cannot import this one."""
    return make_training


@pytest.fixture
def picture() -> Callable[..., torch.Tensor]:
    """:func:`noisy_volume`."""
    return noisy_volume

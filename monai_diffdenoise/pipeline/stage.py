# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What the stages of DiffDenoise have in common: volumes, settings, and a place for what is done already."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_diffdenoise.engines import TrainingOptions
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.pipeline.versions import versions
from monai_diffdenoise.pipeline.zero_shot import ZeroShot

__all__ = ["Stages", "key_of", "train_on_all"]

_DIGITS = 16


def key_of(*parts: Any) -> str:
    """Digest of plain JSON values and of the versions of the packages; what it belongs to depends on nothing else."""
    return hashlib.sha256(json.dumps([versions(), *parts], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Stages:
    """What every stage gets.

    Args:
        jobs: the volumes, each with its plan; their networks and pairings are alike.
        settings: resolved (no preset value open).
        device: where to compute.
        folder: keeps what is done already; None keeps nothing.
        resume: take what it keeps; False starts afresh.
        progress: called with (stage, done, total).
    """

    jobs: tuple[ZeroShot, ...]
    settings: DenoiseSettings
    device: torch.device
    folder: Path | None = None
    resume: bool = True
    progress: Callable[[str, int, int], None] | None = None

    def place(self, stage: str, key: str) -> Path | None:
        """The folder of a stage with these inputs and settings; what other ones left is removed.

        Args:
            stage: its name.
            key: from :func:`key_of`.
        """
        if self.folder is None:
            return None
        place = self.folder / f"{stage}-{key[:_DIGITS]}"
        for old in self.folder.glob(f"{stage}-{'?' * _DIGITS}"):
            if old != place or not self.resume:
                shutil.rmtree(old, ignore_errors=True)
        return place

    def options(self, iterations: int | None, learning_rate: float) -> TrainingOptions:
        """The numbers of a training of a later stage."""
        count = int(iterations or 0)
        return replace(
            self.jobs[0].training_options(),
            iterations=count,
            epoch_length=min(self.settings.validate_every, count),
            learning_rate=learning_rate,
        )

    def report(self, stage: str) -> Callable[[str, int, int], None]:
        """A progress that names the stage, whatever the part of it calls itself."""

        def tell(_: str, done: int, total: int) -> None:
            if self.progress is not None:
                self.progress(stage, done, total)

        return tell


def train_on_all(stages: Stages, stage: str) -> tuple[nn.Module, str]:
    """Train the network of the plan on all volumes, or go on with it.

    Args:
        stages: the run; the scores of the training are those of its first job.
        stage: its name.

    Returns:
        the network, and the key that later stages depend on.
    """
    head, others = stages.jobs[0], stages.jobs[1:]
    key = key_of([job.fingerprint() for job in stages.jobs])
    head.folder = stages.place(stage, key)
    told, named = head.progress, stages.report(stage)

    def tell(part: str, done: int, total: int) -> None:
        # slices are matched before, also where the training is done already
        if part == "training" or told is None:
            named(part, done, total)
        else:
            told(part, done, total)

    head.resume, head.progress = True, tell
    network = head.train(others)
    head.progress = told
    return network, key

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""DiffDenoise as one sequence: blind-spot network, conditional diffusion, sampling, student; for one volume or many."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.model_folder import Model
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.pipeline.stage import Stages, train_on_all
from monai_diffdenoise.pipeline.stage_diffusion import Sampler, diffusion_key, train_diffusion
from monai_diffdenoise.pipeline.stage_student import (
    Sampled,
    sample_volumes,
    student_key,
    targets_key,
    train_student,
)
from monai_diffdenoise.pipeline.zero_shot import ZeroShot

__all__ = ["ThreeStages", "run_stages", "with_target"]


@dataclass(frozen=True)
class ThreeStages:
    """What the stages made.

    Args:
        first: the blind-spot network.
        sampler: of each volume.
        sampled: what sampling made of each volume.
        student: None if none was asked for.
        scores: of each training.
        seconds: that each stage took in this run.
        keys: what each stage depends on.
    """

    first: nn.Module
    sampler: Callable[[ZeroShot], Sampler]
    sampled: list[Sampled]
    student: Model | None
    scores: dict[str, dict[str, Any]]
    seconds: dict[str, float] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


def with_target(settings: DenoiseSettings) -> DenoiseSettings:
    """The settings that the target of the diffusion model asks of the first network.

    Raises:
        InputError: they contradict what was asked for.
    """
    if settings.target != "neighbor":
        return settings
    if settings.context or settings.axes == "all":
        raise InputError(
            "got target neighbor and a blind-spot network that sees the neighbors, so that it holds the target: set "
            "context to 0 and axes to one, or choose target recorrupted"
        )
    return replace(settings, context=0, axes="one")


def _refuse_without_target(job: ZeroShot, target: str) -> None:
    """Find out before hours of work."""
    if target == "neighbor" and not job.plan.matched:
        raise InputError(
            "got target neighbor and a volume whose neighboring slices show other anatomy, or that has none: choose "
            "target recorrupted"
        )
    if target == "repeat" and job.work.shape[0] < 2:
        raise InputError("got target repeat and one time point; it needs a 4D series of repeats: choose recorrupted")


def run_stages(stages: Stages) -> ThreeStages:
    """Run all stages, or go on with the one that was interrupted.

    With a folder, a stage that finished with the same inputs, settings and versions is not run again.

    Args:
        stages: the volumes, and how.

    Raises:
        InputError: a target that the volumes do not have.
    """
    for job in stages.jobs:
        _refuse_without_target(job, stages.settings.target)
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal clock
        seconds[stage], clock = time.perf_counter() - clock, time.perf_counter()

    first, key = train_on_all(stages, "blind-spot")
    keys, scores = {"blind-spot": key}, {"blind-spot": stages.jobs[0].scores}
    lap("blind-spot")
    keys["diffusion"] = diffusion_key(stages, keys["blind-spot"])
    sampler, scores["diffusion"] = train_diffusion(stages, first, keys["diffusion"])
    lap("diffusion")
    keys["targets"] = targets_key(stages, keys["diffusion"])
    sampled = sample_volumes(stages, sampler, keys["targets"])
    lap("targets")
    student = None
    if stages.settings.student:
        keys["student"] = student_key(stages, keys["targets"])
        student, scores["student"] = train_student(stages, sampled, keys["student"])
        lap("student")
    return ThreeStages(first, sampler, sampled, student, scores, seconds, keys)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a fit made, whatever the method."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from monai_diffdenoise.pipeline.model_folder import Model
from monai_diffdenoise.pipeline.stage import Stages
from monai_diffdenoise.pipeline.zero_shot import Denoiser, ZeroShot

__all__ = ["Fitted", "training_facts"]


@dataclass(frozen=True)
class Fitted:
    """A trained model, and what is told about it.

    Args:
        model: for further volumes.
        candidates: what can be done to a volume, by name; see ``choose_candidate``.
        scores: of each training.
        seconds: that each stage took in this run.
        keys: what each stage depends on.
    """

    model: Model
    candidates: Callable[[ZeroShot], Mapping[str, nn.Module | Denoiser]]
    scores: dict[str, dict[str, Any]]
    seconds: dict[str, float]
    keys: dict[str, str]


def training_facts(stages: Stages) -> dict[str, Any]:
    """What is to be known of the volumes of a training when its model is used; plain JSON types."""
    sigmas = [job.noise.sigma(c) for job in stages.jobs for c in job.chosen_channels()]
    plans = [job.plan for job in stages.jobs]
    return {
        "stabilizer": None if plans[0].stabilizer is None else plans[0].stabilizer["kind"],
        "noise": {
            "lowest": min(sigmas),
            "highest": max(sigmas),
            "white": all(plan.noise is None or bool(plan.noise["in_plane"]["white"]) for plan in plans),
        },
        "volumes": len(stages.jobs),
        "settings": json.loads(stages.settings.to_json(without=("device", "memory", "num_workers"))),
    }

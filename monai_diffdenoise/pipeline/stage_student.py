# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The last stage of DiffDenoise: targets by sampling, and a small network that learns them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from monai.utils import set_determinism
from torch import nn

from monai_diffdenoise.data.storage import allocate
from monai_diffdenoise.engines import PairTraining, TargetCache, generate_targets, spread_confidence
from monai_diffdenoise.inferers import PairInferer, VolumeSliceInferer
from monai_diffdenoise.losses import WeightedLoss
from monai_diffdenoise.networks import NAFNet
from monai_diffdenoise.pipeline.model_folder import Model
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.pipeline.slices_a_pass import slices_a_pass
from monai_diffdenoise.pipeline.stage import Stages, key_of
from monai_diffdenoise.pipeline.stage_diffusion import Sampler
from monai_diffdenoise.pipeline.stage_presets import STUDENT_SIZES
from monai_diffdenoise.pipeline.zero_shot import ZeroShot
from monai_diffdenoise.transforms import PseudoCleanPair, RandPseudoCleanPaird
from monai_diffdenoise.transforms.blind_pairing import BlindSpotPair
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["Sampled", "Student", "sample_volumes", "student_arguments", "student_key", "targets_key", "train_student"]

_LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class Sampled:
    """What sampling made of a volume, in the units of ``job.work``.

    Args:
        mean: (C, X, Y, Z).
        spread: how far it changes with another draw of the noise, (C, X, Y, Z).
        weight: how far the mean is trusted, (1, X, Y, Z), 0 to 1.
    """

    mean: torch.Tensor
    spread: torch.Tensor
    weight: torch.Tensor


@dataclass(frozen=True)
class Student:
    """A model as a denoiser of volumes; see ``zero_shot.Denoiser``.

    Args:
        model: what was trained.
        settings: resolved; how slices are denoised.
        axis: of the slices.
        distance: from one to the next of the context.
    """

    model: Model
    settings: DenoiseSettings
    axis: int
    distance: int

    def __call__(
        self,
        image: torch.Tensor,
        scalings: list[AffineScaling],
        out: torch.Tensor,
        progress: Callable[[int, int], None] | None = None,
    ) -> torch.Tensor:
        s = self.settings
        pairing = BlindSpotPair(self.axis, self.distance, getattr(self.model.pairing, "context", 0))
        network = self.model.network
        sides = [side for axis, side in enumerate(image.shape[1:]) if axis != self.axis]
        device = next((p.device for p in network.parameters()), image.device)
        batch = slices_a_pass(s.inference_batch, sides, s.tile, device)
        inferer = VolumeSliceInferer(pairing, batch_size=batch, tile=s.tile, amp=s.amp, progress=progress)
        return inferer.denoise(image, network, scalings, out)


def targets_key(stages: Stages, before: str) -> str:
    """What the targets depend on; ``before`` is the key of the diffusion model."""
    s = stages.settings
    return key_of(before, "targets", *((s.sampling_steps, s.symmetric_pairs) if s.sampler == "srds" else ()))


def student_key(stages: Stages, before: str) -> str:
    """What the student depends on; ``before`` is the key of the targets."""
    s = stages.settings
    return key_of(before, "student", s.student_iterations, s.student_size, s.student_channels)


def sample_volumes(stages: Stages, sampler: Callable[[ZeroShot], Sampler], key: str) -> list[Sampled]:
    """Sample all volumes, or read what was sampled before.

    Args:
        stages: the run.
        sampler: for each of the volumes.
        key: see :func:`targets_key`.
    """
    place, total = stages.place("targets", key), len(stages.jobs)

    def make(number: int) -> tuple[torch.Tensor, torch.Tensor]:
        job = stages.jobs[number]
        count, tell = job.work.shape[0], stages.report("sampling")
        # both in one array, as the cache keeps one beside the weight
        both = allocate((2 * count, *job.work.shape[1:]), job.slice_axis)
        draw = sampler(job)
        draw(job.work, job.scalings, both[:count])
        draw.spread(both[count:], lambda done, steps: tell("", number * steps + done, total * steps))
        return both, spread_confidence(both[count:])

    if place is None:
        found = [dict(zip(("targets", "weight"), make(number), strict=True)) for number in range(total)]
    else:
        cache = TargetCache(place, key, stages.jobs[0].slice_axis)
        volumes: list[Mapping[str, Any]] = [{"image": job.work, "number": k} for k, job in enumerate(stages.jobs)]
        found = generate_targets(volumes, lambda volume: make(volume["number"]), cache)
    sampled = []
    for job, volume in zip(stages.jobs, found, strict=True):
        count = job.work.shape[0]
        sampled.append(Sampled(volume["targets"][:count], volume["targets"][count:], volume["weight"]))
    return sampled


def student_arguments(stages: Stages) -> dict[str, Any]:
    """What the network of the student is made with."""
    options, size = stages.jobs[0].training_options(), STUDENT_SIZES[str(stages.settings.student_size)]
    return {
        **size,
        "in_channels": 1 + stages.jobs[0].plan.context,
        "channels": stages.settings.student_channels or size["channels"],
        # patches have other statistics than slices
        "attention": "local",
        "window": 3 * options.patch_size // 2,
    }


def train_student(stages: Stages, sampled: list[Sampled], key: str) -> tuple[Model, dict[str, Any]]:
    """Train a NAFNet on what was sampled, weighted by how far it is trusted.

    Args:
        stages: the run.
        sampled: from :func:`sample_volumes`.
        key: see :func:`student_key`.

    Returns:
        the model, without information on what it was trained on, and scores.
    """
    s, plan = stages.settings, stages.jobs[0].plan
    set_determinism(seed=s.seed)
    options = stages.options(s.student_iterations, _LEARNING_RATE)
    pairing = PseudoCleanPair(plan.axis, plan.distance, plan.context)
    arguments = student_arguments(stages)
    volumes = [
        {
            "image": job.work[c : c + 1],
            "targets": found.mean[c : c + 1],
            "weight": found.weight,
            "scaling": job.scalings[c],
        }
        for job, found in zip(stages.jobs, sampled, strict=True)
        for c in job.chosen_channels()
    ]
    network: nn.Module = NAFNet(**arguments)
    training = PairTraining(
        network=network.to(stages.device),
        volumes=volumes,
        pairing=pairing,
        loss_function=WeightedLoss(),
        inferer=PairInferer(),
        options=options,
        device=stages.device,
        folder=stages.place("student", key),
        fingerprint=key,
        resume=True,
        progress=stages.report("student"),
        make_pairs=RandPseudoCleanPaird,
    )
    trained = training.run()
    seen = BlindSpotPair(plan.axis, plan.distance, plan.context)
    return Model(trained, "nafnet", arguments, seen), training.scores()

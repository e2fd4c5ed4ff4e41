# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a fit will take, before they begin: memory, disk and, from a few steps of each network, time."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import nn

from monai_diffdenoise.networks import NAFNet
from monai_diffdenoise.pipeline.networks import make_network
from monai_diffdenoise.pipeline.stage import Stages
from monai_diffdenoise.pipeline.stage_diffusion import COPIES, diffusion_network, draws_of
from monai_diffdenoise.pipeline.stage_student import student_arguments

__all__ = ["Budget", "estimate_budget"]

_STEPS = 2
# Pairs are drawn, checkpoints written, held-out pairs scored.
_AROUND = 1.4
_FLOAT = 4
# Copies of the weights: two checkpoints with the network, its average, its best and two moments, and the model.
_KEPT = 11


@dataclass(frozen=True)
class Budget:
    """Rough numbers.

    Args:
        memory: bytes of volumes; beyond the setting ``memory`` they lie in scratch files.
        disk: bytes that are kept in the work folder.
        seconds: of all stages on this machine, as busy as it is now.
    """

    memory: int
    disk: int
    seconds: float

    def __str__(self) -> str:
        minutes = max(round(self.seconds / 60), 1)
        return (
            f"about {self.memory / 2**20:.0f} MB of memory for volumes, {self.disk / 2**20:.0f} MB in the work folder, "
            f"{minutes} min"
        )


def estimate_budget(stages: Stages) -> Budget:
    """Estimate without doing anything of it.

    Args:
        stages: what will be run.
    """
    s, jobs = stages.settings, stages.jobs
    voxels = sum(job.work.numel() for job in jobs)
    plan, pairing, patch = jobs[0].plan, jobs[0].pairing, jobs[0].training_options().patch_size
    first = make_network(plan, s, pairing)
    slope = {"blind-spot": _seconds(first, pairing.in_channels, stages, patch)}
    batch = int(s.batch_size or 1)
    if s.method != "diffdenoise":
        # of pairs of slices, each is the other's target
        both = 2 if plan.pairing in ("neighbor", "repeat") else 1
        weights = sum(parameter.numel() for parameter in first.parameters())
        seconds = _AROUND * slope["blind-spot"] * both * batch * int(s.iterations or 0)
        return Budget(_FLOAT * 2 * voxels, _FLOAT * _KEPT * weights, seconds)
    trained = sum(job.work[:1].numel() * len(job.chosen_channels()) for job in jobs)
    draws = draws_of(stages) if s.target == "recorrupted" else 1
    # the image, a stabilized copy, and of each draw the image, its target and its condition
    memory = _FLOAT * (2 * voxels + (3 if s.target == "recorrupted" else 1) * draws * trained)
    disk = _FLOAT * (2 * voxels + sum(job.work[:1].numel() for job in jobs))
    student = student_arguments(stages)
    diffused = diffusion_network(stages)
    slope |= {
        "diffusion": _seconds(diffused, diffused.in_channels + diffused.condition_channels, stages, patch),
        "student": _seconds(NAFNet(**student), student["in_channels"], stages, patch),
    }
    steps = {"blind-spot": s.iterations, "diffusion": s.diffusion_iterations, "student": s.student_iterations}
    seconds = _AROUND * sum(slope[name] * batch * int(count or 0) for name, count in steps.items())
    # a third of a step is the way forward; every draw is denoised by the first network along each axis
    views = len(plan.axes) * (8 if s.augment_inference else 1)
    per_voxel = {name: value / 3 / patch**2 for name, value in slope.items()}
    seconds += per_voxel["blind-spot"] * views * (draws * trained + (1 + COPIES) * voxels)
    asked = 2 * int(s.sampling_steps or 1) * int(s.symmetric_pairs or 1) if s.sampler == "srds" else 1
    seconds += per_voxel["diffusion"] * asked * (1 + COPIES) * voxels
    return Budget(memory, disk, seconds)


def _seconds(network: nn.Module, channels: int, stages: Stages, patch: int) -> float:
    """Seconds of a training step, by pair."""
    batch = int(stages.settings.batch_size or 1)
    network = network.to(stages.device).train()
    image = torch.zeros(batch, channels, patch, patch, device=stages.device)
    best = float("inf")
    for _ in range(_STEPS):
        start = time.perf_counter()
        loss = network(image).square().mean()
        loss.backward()
        # waits for a GPU
        float(loss.detach())
        best = min(best, time.perf_counter() - start)
    return best / batch

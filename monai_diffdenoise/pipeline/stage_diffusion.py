# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Stages two and three of DiffDenoise: a diffusion model given the first network's output, and sampling from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers import Inferer
from monai.networks.schedulers import DDPMScheduler
from monai.utils import set_determinism
from torch import nn

from monai_diffdenoise.data.storage import allocate
from monai_diffdenoise.engines import PairTraining, save_atomically
from monai_diffdenoise.inferers import (
    ConditionalMeanInferer,
    DiffusionPairInferer,
    DiffusionState,
    SRDSInferer,
    SRDSVolumeInferer,
)
from monai_diffdenoise.losses import DiffusionPairLoss
from monai_diffdenoise.networks import ConditionalDiffusion
from monai_diffdenoise.pipeline.measured_recorruption import measured_recorruption
from monai_diffdenoise.pipeline.stage import Stages, key_of
from monai_diffdenoise.pipeline.zero_shot import ZeroShot
from monai_diffdenoise.transforms import ConditionedPair, RandConditionedPaird
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["Sampler", "diffusion_key", "diffusion_network", "train_diffusion"]

_TIMES = 1000
_LEARNING_RATE = 2e-3
# Copies with more noise that the spread is taken from, and what sets their seeds apart from those of the training.
_COPIES, _SPREAD = 4, 1
# What these change is there before a condition is: the blind-spot network's output, or the diffusion model itself.
_COUNTS = (
    *("sampler", "target", "show_noisy", "recorruption_tau", "recorruptions", "condition_noise"),
    *(
        "diffusion_iterations",
        "diffusion_channels",
        "augment_inference",
        "inference_stride",
        "refine",
        "tile",
        "seed",
        "validation_pairs",
    ),
)


def diffusion_key(stages: Stages, before: str) -> str:
    """What the diffusion model depends on.

    Args:
        stages: the run.
        before: the key of the blind-spot network.
    """
    return key_of(before, "diffusion", {name: getattr(stages.settings, name) for name in _COUNTS})


@dataclass(frozen=True)
class Sampler:
    """A trained diffusion model with the first network, as one denoiser; see ``zero_shot.Denoiser``.

    Args:
        job: the volume, whose plan says how the first network is run.
        first: the blind-spot network.
        network: the diffusion model.
        sampling: how it is sampled.
        pairing: what it sees of a slice.
    """

    job: ZeroShot
    first: nn.Module
    network: nn.Module
    sampling: SRDSInferer | ConditionalMeanInferer
    pairing: ConditionedPair

    def __call__(
        self,
        image: torch.Tensor,
        scalings: list[AffineScaling],
        out: torch.Tensor,
        progress: Callable[[int, int], None] | None = None,
    ) -> torch.Tensor:
        self.job.denoise(self.first, image, scalings, out)
        inferer = SRDSVolumeInferer(self.sampling, self.pairing, progress)
        return inferer.denoise(image, out, self.network, scalings, out)[0]

    def spread(self, out: torch.Tensor, progress: Callable[[int, int], None] | None = None) -> torch.Tensor:
        """How far the result for ``job.work`` changes with another draw of its noise: its standard deviation.

        From some copies with more noise of the same law. The draws of one diffusion model say less: where its targets
        are noisy, they differ by the noise of the targets, which is no error of their mean.

        Args:
            out: where it goes, (C, X, Y, Z), in the units of ``job.work``.
            progress: called with (copies done, copies in all).
        """
        job, tau = self.job, self.job.settings.recorruption_tau
        for c in range(job.work.shape[0]):
            channel = slice(c, c + 1)
            squares, mean = out[channel].zero_(), torch.zeros(())
            split = measured_recorruption(job, c, tau)
            for copy in range(_COPIES):
                seed = np.random.SeedSequence([job.settings.seed, c, copy, _SPREAD]).generate_state(4)
                noisier = split.split(job.work[channel], np.random.RandomState(seed))[0]
                found = self(noisier, job.scalings[channel], torch.empty_like(noisier))
                change = found - mean
                mean = mean + change / (copy + 1)
                squares += change * (found - mean)
                if progress is not None:
                    progress(c * _COPIES + copy + 1, job.work.shape[0] * _COPIES)
            # noise of tau times that of the image was added
            squares.div_(_COPIES - 1).sqrt_().div_(tau)
        return out


def train_diffusion(stages: Stages, first: nn.Module, key: str) -> tuple[Callable[[ZeroShot], Sampler], dict[str, Any]]:
    """Train on all volumes, chosen by the error of what is sampled against held-out targets free of the leak.

    Args:
        stages: the run.
        first: the trained blind-spot network.
        key: see :func:`diffusion_key`.

    Returns:
        a sampler for each of the volumes, and scores.
    """
    s, head = stages.settings, stages.jobs[0]
    place = stages.place("diffusion", key)
    finished = None if place is None else place / "finished.pt"
    if finished is None or not finished.is_file():
        made = _train(stages, first, key, place)
        if finished is not None:
            save_atomically(made, finished)
    else:
        # neither the volumes with their conditions nor the checkpoints are needed any more
        made = torch.load(finished, map_location="cpu", weights_only=True)
    network = diffusion_network(stages).to(stages.device)
    network.load_state_dict(made["weights"])
    draw = _sampling(stages, made["scale"], s.sampling_steps, s.symmetric_pairs)
    pairing = _pairing(head, s.target, s.show_noisy)
    return lambda job: Sampler(job, first, network.eval(), draw, pairing), made["scores"]


def _train(stages: Stages, first: nn.Module, key: str, place: Path | None) -> dict[str, Any]:
    """Weights, the scale of the state, and scores."""
    s, head = stages.settings, stages.jobs[0]
    set_determinism(seed=s.seed)
    volumes = _volumes(stages, first, s.target)
    pairing = _pairing(head, s.target, s.show_noisy)
    held_out: dict[str, Any] = {}
    if s.target == "same":
        held_out["held_out_volumes"] = _volumes(stages, first, "recorrupted", draws=1)
        held_out["held_out_pairing"] = _pairing(head, "recorrupted", False)
    scale = _strength(volumes, pairing)
    once = _sampling(stages, scale, 1, 1)
    inferer: Inferer = once
    if isinstance(once, SRDSInferer):
        inferer = DiffusionPairInferer(_scheduler(), once.state, once.condition_noise, seed=s.seed)
    training = PairTraining(
        network=diffusion_network(stages).to(stages.device),
        volumes=volumes,
        pairing=pairing,
        loss_function=DiffusionPairLoss(),
        inferer=inferer,
        options=stages.options(s.diffusion_iterations, _LEARNING_RATE),
        device=stages.device,
        folder=place,
        fingerprint=key,
        resume=True,
        progress=stages.report("diffusion"),
        make_pairs=RandConditionedPaird,
        held_out_inferer=_Result(once),
        **held_out,
    )
    weights = {name: value.cpu() for name, value in training.run().state_dict().items()}
    return {"weights": weights, "scale": scale, "scores": training.scores()}


def _scheduler() -> DDPMScheduler:
    return DDPMScheduler(_TIMES, prediction_type="v_prediction")


def diffusion_network(stages: Stages) -> ConditionalDiffusion:
    """The model, with fresh weights."""
    width = int(stages.settings.diffusion_channels or 0)
    shown = _pairing(stages.jobs[0], stages.settings.target, stages.settings.show_noisy).in_channels
    return ConditionalDiffusion(condition_channels=shown, channels=(width, 2 * width, 2 * width))


def _sampling(
    stages: Stages, scale: float, steps: int | None, pairs: int | None
) -> SRDSInferer | ConditionalMeanInferer:
    """How the model is asked for its result."""
    s, state = stages.settings, DiffusionState(True, scale)
    how: dict[str, Any] = {"batch_size": s.inference_batch, "tile": s.tile, "amp": s.amp}
    if s.sampler == "mean":
        return ConditionalMeanInferer(state, **how)
    sigma = sum(job.noise.sigma(0) for job in stages.jobs) / len(stages.jobs)
    shown = _pairing(stages.jobs[0], s.target, s.show_noisy).in_channels
    # the noisy slice beside it holds its own
    noise = [s.condition_noise * sigma] + [0.0] * (shown - 1)
    return SRDSInferer(_scheduler(), int(steps or 1), int(pairs or 1), state, noise, seed=s.seed, **how)


class _Result(Inferer):
    """What is sampled for a held-out pair; some samplers take a call with the pair for a training step."""

    def __init__(self, sampling: SRDSInferer | ConditionalMeanInferer) -> None:
        self.sampling = sampling

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        return self.sampling(inputs, network)


def _pairing(job: ZeroShot, target: Any, show_noisy: bool) -> ConditionedPair:
    plan = job.plan
    reach = (plan.context + 1) // 2 * plan.distance
    return ConditionedPair(
        target,
        plan.axis,
        plan.distance,
        reach,
        sees_slice=plan.blind_spot is not None,
        show_noisy=show_noisy and target != "same",
    )


def _volumes(stages: Stages, first: nn.Module, target: str, draws: int | None = None) -> list[dict[str, Any]]:
    """What pairs are drawn from: noisy volumes with the first network's output and, if they are split, targets."""
    made = []
    draws = int(draws or stages.settings.recorruptions or 1) if target == "recorrupted" else 1
    for number, job in enumerate(stages.jobs):
        chosen = job.chosen_channels()
        if target == "repeat":
            made.append(_conditioned(job, first, job.channels(chosen), job.scalings[0]))
            continue
        for step, c in enumerate(chosen):
            image, scaling = job.work[c : c + 1], job.scalings[c]
            for draw in range(draws):
                if target == "recorrupted":
                    split = measured_recorruption(job, c, stages.settings.recorruption_tau)
                    seed = np.random.SeedSequence([stages.settings.seed, number, c, draw]).generate_state(4)
                    shown, targets = split.split(image, np.random.RandomState(seed))
                    made.append({**_conditioned(job, first, shown, scaling), "targets": targets})
                else:
                    made.append(_conditioned(job, first, image, scaling))
                if target == "neighbor":
                    made[-1]["weight"] = job.noise.weight(c, (step, len(chosen)))
                stages.report("conditions")("", len(made), len(stages.jobs) * len(chosen) * draws)
    return made


def _conditioned(job: ZeroShot, first: nn.Module, image: torch.Tensor, scaling: AffineScaling) -> dict[str, Any]:
    condition = allocate(image.shape, job.slice_axis)
    job.denoise(first, image, [scaling] * image.shape[0], condition)
    return {"image": image, "scaling": scaling, "condition": condition}


def _strength(volumes: list[dict[str, Any]], pairing: ConditionedPair) -> float:
    """Standard deviation of target minus condition in normalised units, over all volumes."""
    total = count = 0.0
    for volume in volumes:
        targets = volume.get("targets", volume["image"])
        for target, condition in zip(pairing.stack(targets), pairing.stack(volume["condition"]), strict=True):
            total += float(((target - condition) / volume["scaling"].scale).double().square().sum())
        count += targets.numel()
    # nothing to diffuse where the image has no noise at all
    return max(math.sqrt(total / count), 1e-6)

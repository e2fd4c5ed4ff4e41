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
from monai.networks.schedulers import DDPMScheduler
from monai.utils import set_determinism
from torch import nn

from monai_diffdenoise.data.storage import allocate
from monai_diffdenoise.engines import PairTraining, save_atomically
from monai_diffdenoise.inferers import ConditionalMeanInferer, DiffusionState, SRDSInferer, SRDSVolumeInferer
from monai_diffdenoise.losses import DiffusionPairLoss
from monai_diffdenoise.networks import ConditionalDiffusion
from monai_diffdenoise.pipeline.measured_recorruption import measured_recorruption
from monai_diffdenoise.pipeline.samplers import make_sampler, make_training_inferer
from monai_diffdenoise.pipeline.slices_a_pass import slices_a_pass
from monai_diffdenoise.pipeline.stage import Stages, key_of
from monai_diffdenoise.pipeline.zero_shot import ZeroShot
from monai_diffdenoise.transforms import ConditionedPair, RandConditionedPaird, Recorruption
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["COPIES", "Sampler", "diffusion_key", "diffusion_network", "draws_of", "train_diffusion"]

COPIES = 4
"""Copies with more noise that the spread of a result is taken from."""

_TIMES = 1000
_LEARNING_RATE = 2e-3
# Sets the seeds of the copies apart from those of the training.
_SPREAD = 1
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
            split = _recorruption(job, c)
            for copy in range(COPIES):
                seed = np.random.SeedSequence([job.settings.seed, c, copy, _SPREAD]).generate_state(4)
                noisier = split.split(job.work[channel], np.random.RandomState(seed))[0]
                found = self(noisier, job.scalings[channel], torch.empty_like(noisier))
                change = found - mean
                mean = mean + change / (copy + 1)
                squares += change * (found - mean)
                if progress is not None:
                    progress(c * COPIES + copy + 1, job.work.shape[0] * COPIES)
            # noise of tau times that of the image was added
            squares.div_(COPIES - 1).sqrt_().div_(tau)
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
    training = PairTraining(
        network=diffusion_network(stages).to(stages.device),
        volumes=volumes,
        pairing=pairing,
        loss_function=DiffusionPairLoss(),
        inferer=make_training_inferer(
            s.sampler, _scheduler(), DiffusionState(True, scale), _condition_noise(stages), s.seed
        ),
        options=stages.options(s.diffusion_iterations, _LEARNING_RATE),
        device=stages.device,
        folder=place,
        fingerprint=key,
        resume=True,
        progress=stages.report("diffusion"),
        make_pairs=RandConditionedPaird,
        held_out_inferer=_sampling(stages, scale, 1, 1),
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
    s = stages.settings
    head = stages.jobs[0]
    sides = [side for axis, side in enumerate(head.work.shape[1:]) if axis != head.plan.axis]
    batch = slices_a_pass(s.inference_batch, sides, s.tile, stages.device)
    numbers = int(steps or 1), int(pairs or 1), _condition_noise(stages), s.seed, batch, s.tile, s.amp
    return make_sampler(s.sampler, _scheduler(), DiffusionState(True, scale), *numbers)


def _condition_noise(stages: Stages) -> list[float]:
    """On each channel of what the model sees; the noisy slice holds its own."""
    s = stages.settings
    sigma = sum(job.noise.sigma(0) for job in stages.jobs) / len(stages.jobs)
    return [s.condition_noise * sigma] + [0.0] * (_pairing(stages.jobs[0], s.target, s.show_noisy).in_channels - 1)


def draws_of(stages: Stages) -> int:
    """How often each volume is recorrupted: the more of them there are, the less often."""
    trained = sum(len(job.chosen_channels()) for job in stages.jobs)
    return max(int(stages.settings.recorruptions or 1) // trained, 1)


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


def _recorruption(job: ZeroShot, channel: int) -> Recorruption:
    """Of a channel of ``job.work``, in its units."""
    sigma, stabilized = job.noise.sigma(channel) * job.scalings[channel].scale, job.stabilizer is not None
    return measured_recorruption(job.plan.noise, sigma, job.settings.recorruption_tau, job.plan.axis, stabilized)


def _volumes(stages: Stages, first: nn.Module, target: str, draws: int | None = None) -> list[dict[str, Any]]:
    """What pairs are drawn from: noisy volumes with the first network's output and, if they are split, targets."""
    made = []
    draws = (draws or draws_of(stages)) if target == "recorrupted" else 1
    for number, job in enumerate(stages.jobs):
        chosen = job.chosen_channels()
        if target == "repeat":
            made.append(_conditioned(job, first, job.channels(chosen), job.scalings[0]))
            continue
        for step, c in enumerate(chosen):
            image, scaling = job.work[c : c + 1], job.scalings[c]
            for draw in range(draws):
                if target == "recorrupted":
                    split = _recorruption(job, c)
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

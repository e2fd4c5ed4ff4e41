# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Train on one noisy volume and denoise it: NS-N2N from end to end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from monai.utils import set_determinism
from torch import nn

from monai_diffdenoise.analysis import best_sigma
from monai_diffdenoise.data.storage import allocate, drop_pages, runs
from monai_diffdenoise.data.storage import digest as array_digest
from monai_diffdenoise.engines import PairTraining, TrainingOptions
from monai_diffdenoise.inferers import (
    PairInferer,
    SymmetricPairInferer,
    VolumeSliceInferer,
    fuse_volume,
)
from monai_diffdenoise.losses import NeighborSliceLoss, WeightedLoss
from monai_diffdenoise.networks import ResidualDenoiser
from monai_diffdenoise.pipeline.normalised import normalised
from monai_diffdenoise.pipeline.plan import Plan
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.transforms.guide import MatchedRegionWeight
from monai_diffdenoise.transforms.pairing import Pairing
from monai_diffdenoise.transforms.scaling import AffineScaling, robust_scaling

__all__ = ["ZeroShot"]


class ZeroShot:
    """One volume, one network, no other data.

    Args:
        image: noisy (C, X, Y, Z), finite; C counts the time points, which share the network.
        plan: which slices are paired.
        settings: resolved settings (no preset value open).
        device: where to compute.
        folder: for checkpoints; None writes none.
        resume: go on from a checkpoint in ``folder``.
        progress: called with (stage, done, total).
        slice_axis: axis along which the image's slices lie one behind the other in memory.
    """

    def __init__(
        self,
        image: torch.Tensor,
        plan: Plan,
        settings: DenoiseSettings,
        device: torch.device,
        folder: Path | None = None,
        resume: bool = False,
        progress: Callable[[str, int, int], None] | None = None,
        slice_axis: int = -1,
    ) -> None:
        self.image, self.plan, self.settings, self.device = image, plan, settings, device
        self.folder, self.resume, self.progress, self.slice_axis = folder, resume, progress, slice_axis
        self.pairing: Pairing = plan.make_pairing()
        self.scalings: list[AffineScaling] = [robust_scaling(channel) for channel in image]
        self.weights: dict[int, torch.Tensor] = {}
        self.sigmas: dict[int, float] = {}
        self.scores: dict[str, Any] = {}

    def fingerprint(self) -> str:
        """Digest of all that the trained weights depend on."""
        # where it is computed, and how slices are batched afterwards, does not change what is trained
        same = replace(
            self.settings, device="auto", tile=512, inference_batch=8, num_workers=0, fusion=True, memory=None
        )
        digest = hashlib.sha256(same.to_json().encode())
        digest.update(repr((self.plan.pairing, self.plan.axis, self.plan.distance)).encode())
        digest.update(array_digest(self.image, self.slice_axis).encode())
        return digest.hexdigest()

    def train(self) -> nn.Module:
        """Train and return the averaged network of the best self-supervised score."""
        options = self.settings
        set_determinism(seed=options.seed)
        network = ResidualDenoiser(
            in_channels=self.pairing.in_channels,
            channels=int(options.channels or 0),
            levels=options.levels,
            base_channels=self.pairing.base_channels,
        ).to(self.device)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        symmetric = self.plan.pairing != "slice-blind"
        training = PairTraining(
            network=network,
            volumes=self.training_volumes(),
            pairing=self.pairing,
            loss_function=NeighborSliceLoss(options.lambda_rc, options.lambda_ic) if symmetric else WeightedLoss(),
            inferer=SymmetricPairInferer(mean=options.lambda_ic > 0) if symmetric else PairInferer(),
            options=self._training_options(),
            device=self.device,
            folder=self.folder,
            fingerprint=self.fingerprint(),
            resume=self.resume,
            progress=self.progress,
        )
        trained = training.run()
        self.scores = training.scores()
        return trained

    def infer(self, network: nn.Module, out: torch.Tensor) -> torch.Tensor:
        """Denoise every slice into ``out``, (C, X, Y, Z) in the input's units."""
        inferer = VolumeSliceInferer(
            self.pairing,
            batch_size=self.settings.inference_batch,
            tile=self.settings.tile,
            amp=self.settings.amp,
            progress=lambda done, total: self._report("denoising", done, total),
        )
        return inferer.denoise(self.image, network, self.scalings, out)

    def fuse(self, denoised: torch.Tensor, out: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Posterior fusion of all channels into ``out``, and the mean share of the residual that was put back.

        ``out`` may be ``denoised``.
        """
        shares = []
        for c in range(denoised.shape[0]):
            sigma = self._sigma(c)
            weight = self._weight(c, sigma)[0] if self.plan.pairing != "repeat" else None
            _, share = fuse_volume(
                self.image[c],
                denoised[c],
                weight,
                sigma,
                self.scalings[c],
                self.plan.axis,
                self.plan.distance,
                out[c],
                progress=lambda done, total: drop_pages(),
            )
            shares.append(share)
        return out, sum(shares) / len(shares)

    def training_volumes(self) -> list[dict[str, Any]]:
        """What the pairs are drawn from: ``image`` (C, *S), its ``scaling`` and, for neighbors, ``weight`` (1, *S)."""
        count = self.image.shape[0]
        used = min(count, self.settings.training_volumes)
        chosen = [round(k * (count - 1) / max(used - 1, 1)) for k in range(used)]
        if self.plan.pairing == "repeat":
            return [{"image": self._channels(chosen), "scaling": self.scalings[0]}]
        volumes: list[dict[str, Any]] = []
        for step, c in enumerate(chosen):
            volume = {"image": self.image[c : c + 1], "scaling": self.scalings[c]}
            if self.plan.pairing == "neighbor":
                volume["weight"] = self._weight(c, self._sigma(c), (step, used))
            volumes.append(volume)
        return volumes

    def _channels(self, chosen: list[int]) -> torch.Tensor:
        """Some channels of the image, without a copy when it is all of them."""
        if len(chosen) == self.image.shape[0]:
            return self.image
        some = allocate((len(chosen), *self.image.shape[1:]), self.slice_axis, self.image.dtype)
        for target, c in enumerate(chosen):
            for index in runs(self.image[c : c + 1], self.slice_axis):
                some[target : target + 1][index] = self.image[c : c + 1][index]
        return some

    def _normalised(self, channel: int) -> torch.Tensor:
        """A normalised copy of a channel (1, *S); let go of it soon."""
        return normalised(self.image[channel : channel + 1], self.scalings[channel], self.slice_axis)

    def _sigma(self, channel: int) -> float:
        """Noise of a channel in normalised units."""
        typical = self.plan.measurement
        if typical is not None and self.image.shape[0] == 1:
            return typical.sigma / self.scalings[channel].scale
        if channel not in self.sigmas:
            shared = (typical.noise_correlation if typical is not None else None) or 0.0
            volume = self._normalised(channel)[0]
            self.sigmas[channel] = best_sigma(volume, self.plan.axis, self.plan.distance, shared)
        return self.sigmas[channel]

    def _weight(self, channel: int, sigma: float, part: tuple[int, int] = (0, 1)) -> torch.Tensor:
        """Matched-region weight of a channel, (1, *S), boolean: the step ``part[0]`` of ``part[1]`` of the matching."""
        if channel not in self.weights:
            match = MatchedRegionWeight(self.plan.axis, self.plan.distance, sigma=sigma, tau=self.settings.tau)
            volume = self._normalised(channel)
            weight = allocate(volume.shape, self.slice_axis, torch.bool)
            step, steps = part
            match(volume, weight, lambda done, total: self._report("matching", step * total + done, steps * total))
            self.weights[channel] = weight
        return self.weights[channel]

    def _report(self, stage: str, done: int, total: int) -> None:
        """After some slices: what was mapped of them is no longer needed."""
        drop_pages()
        if self.progress is not None:
            self.progress(stage, done, total)

    def _training_options(self) -> TrainingOptions:
        s = self.settings
        largest = max(side for axis, side in enumerate(self.image.shape[1:]) if axis != self.plan.axis)
        return TrainingOptions(
            iterations=int(s.iterations or 0),
            epoch_length=min(s.validate_every, int(s.iterations or 0)),
            batch_size=s.batch_size,
            patch_size=min(s.patch_size, largest),
            learning_rate=s.learning_rate,
            weight_decay=s.weight_decay,
            ema_decay=s.ema_decay,
            validation_pairs=s.validation_pairs,
            patience=s.patience,
            num_workers=s.num_workers,
            seed=s.seed,
            amp=s.amp,
            compile=s.compile,
        )

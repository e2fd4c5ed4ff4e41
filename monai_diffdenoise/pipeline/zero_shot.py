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
from monai_diffdenoise.engines import PairTraining, TrainingOptions
from monai_diffdenoise.inferers import (
    PairInferer,
    SymmetricPairInferer,
    VolumeSliceInferer,
    local_noise_variance,
    posterior_fusion,
)
from monai_diffdenoise.losses import NeighborSliceLoss, WeightedLoss
from monai_diffdenoise.networks import ResidualDenoiser
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
    ) -> None:
        self.image, self.plan, self.settings, self.device = image, plan, settings, device
        self.folder, self.resume, self.progress = folder, resume, progress
        self.pairing: Pairing = plan.make_pairing()
        self.scalings: list[AffineScaling] = [robust_scaling(channel) for channel in image]
        self.weights: dict[int, torch.Tensor] = {}
        self.scores: dict[str, Any] = {}

    def fingerprint(self) -> str:
        """Digest of all that the trained weights depend on."""
        # where it is computed, and how slices are batched afterwards, does not change what is trained
        same = replace(self.settings, device="auto", tile=512, inference_batch=8, num_workers=0, fusion=True)
        digest = hashlib.sha256(same.to_json().encode())
        digest.update(repr((self.plan.pairing, self.plan.axis, self.plan.distance)).encode())
        digest.update(self.image.contiguous().numpy().tobytes())
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

    def infer(self, network: nn.Module) -> torch.Tensor:
        """Denoise every slice: (C, X, Y, Z) in the input's units."""
        inferer = VolumeSliceInferer(
            self.pairing,
            batch_size=self.settings.inference_batch,
            tile=self.settings.tile,
            amp=self.settings.amp,
            progress=None if self.progress is None else lambda done, total: self.progress("denoising", done, total),  # type: ignore[misc]
        )
        return self.image + inferer.residual(self.image, network, self.scalings)

    def fuse(self, denoised: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Posterior fusion of all channels, and the mean share of the residual that was put back."""
        fused, shares = torch.empty_like(denoised), []
        for c in range(denoised.shape[0]):
            sigma = self._sigma(c)
            variance: torch.Tensor | float = sigma**2
            if self.plan.pairing != "repeat":
                normalised = self.scalings[c].apply(self.image[c])
                weight = self._weight(c, sigma)[0]
                variance = local_noise_variance(normalised, weight, sigma, self.plan.axis, self.plan.distance)
            # squares of very large or small units would leave float32, so the share is found in normalised ones
            removed = self.image[c] - denoised[c]
            normalised = removed / self.scalings[c].scale
            _, share = posterior_fusion(normalised, torch.zeros_like(normalised), variance)
            fused[c] = denoised[c] + share * removed
            shares.append(float(share.mean()))
        return fused, sum(shares) / len(shares)

    def training_volumes(self) -> list[dict[str, torch.Tensor]]:
        """What the pairs are drawn from: normalised ``image`` (C, *S) and, for neighbors, ``weight`` (1, *S)."""
        count = self.image.shape[0]
        used = min(count, self.settings.training_volumes)
        chosen = [round(k * (count - 1) / max(used - 1, 1)) for k in range(used)]
        if self.plan.pairing == "repeat":
            scaling = self.scalings[0]
            return [{"image": torch.stack([scaling.apply(self.image[c]) for c in chosen])}]
        volumes = []
        for step, c in enumerate(chosen):
            volume = {"image": self.scalings[c].apply(self.image[c : c + 1])}
            if self.plan.pairing == "neighbor":
                volume["weight"] = self._weight(c, self._sigma(c))
            volumes.append(volume)
            if self.progress is not None:
                self.progress("matching", step + 1, used)
        return volumes

    def _sigma(self, channel: int) -> float:
        """Noise of a channel in normalised units."""
        typical = self.plan.measurement
        if typical is not None and self.image.shape[0] == 1:
            return typical.sigma / self.scalings[channel].scale
        shared = (typical.noise_correlation if typical is not None else None) or 0.0
        normalised = self.scalings[channel].apply(self.image[channel])
        return best_sigma(normalised, self.plan.axis, self.plan.distance, shared)

    def _weight(self, channel: int, sigma: float) -> torch.Tensor:
        """Matched-region weight of a channel (1, *S)."""
        if channel not in self.weights:
            match = MatchedRegionWeight(self.plan.axis, self.plan.distance, sigma=sigma, tau=self.settings.tau)
            volume = self.scalings[channel].apply(self.image[channel : channel + 1])
            self.weights[channel] = match(volume)[:1]
        return self.weights[channel]

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

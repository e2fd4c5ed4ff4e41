# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Train on one noisy volume and denoise it, by any method."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from monai.utils import set_determinism
from torch import nn

from monai_diffdenoise.data.storage import allocate, drop_pages, runs
from monai_diffdenoise.data.storage import digest as array_digest
from monai_diffdenoise.engines import PairTraining, TrainingOptions
from monai_diffdenoise.inferers import (
    BlindSpotInferer,
    FlipRotateMean,
    PairInferer,
    SymmetricPairInferer,
    VolumeSliceInferer,
)
from monai_diffdenoise.losses import NeighborSliceLoss, WeightedLoss
from monai_diffdenoise.pipeline.all_axes import denoise_along, turned
from monai_diffdenoise.pipeline.channel_noise import ChannelNoise
from monai_diffdenoise.pipeline.companions import Companions
from monai_diffdenoise.pipeline.fuse_channel import fuse_channel
from monai_diffdenoise.pipeline.networks import make_network
from monai_diffdenoise.pipeline.noise_gain import noise_gain
from monai_diffdenoise.pipeline.plan import Plan
from monai_diffdenoise.pipeline.settings import LATER_STAGES, DenoiseSettings
from monai_diffdenoise.pipeline.slices_a_pass import slices_a_pass
from monai_diffdenoise.pipeline.stabilized import stabilized
from monai_diffdenoise.transforms.pairing import Pairing
from monai_diffdenoise.transforms.scaling import AffineScaling, robust_scaling
from monai_diffdenoise.transforms.stabilize import make_stabilizer

__all__ = ["Denoiser", "ZeroShot"]

Denoiser = Callable[[torch.Tensor, list[AffineScaling], torch.Tensor, Callable[[int, int], None] | None], torch.Tensor]
"""Denoises an image (C, X, Y, Z) of any units: called with it, a scaling for each channel, where the result goes, and
a progress that may be None."""

_SYMMETRIC = ("neighbor", "repeat")
# What they are changes where and how fast something is computed, or what is done after the training.
_UNTRAINED = (
    *("device", "tile", "inference_batch", "inference_stride", "refine", "augment_inference", "num_workers"),
    *("fusion", "memory"),
    *LATER_STAGES,
)


class ZeroShot:
    """One volume, one network, no other data.

    Args:
        image: noisy (C, X, Y, Z), finite; C counts the time points, which share the network.
        plan: what is learned from what.
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
        self.stabilizer = None if plan.stabilizer is None else make_stabilizer(plan.stabilizer)
        #: what is denoised: the image, or a stabilized copy of it
        self.work = image if self.stabilizer is None else stabilized(image, self.stabilizer, slice_axis)
        self.scalings: list[AffineScaling] = [robust_scaling(channel) for channel in self.work]
        self.noise = ChannelNoise(self.work, plan, self.scalings, slice_axis, settings.tau, self._report)
        self.companions = Companions(self.work, self.scalings, plan.companions, slice_axis)
        self.scores: dict[str, Any] = {}

    def fingerprint(self) -> str:
        """Digest of all that the trained weights depend on."""
        digest = hashlib.sha256(self.settings.to_json(without=_UNTRAINED).encode())
        plan = self.plan
        chosen = (plan.method, plan.pairing, plan.axis, plan.distance, plan.network, plan.context, plan.blind_spot)
        digest.update(repr((*chosen, plan.axes, plan.stride, plan.stabilizer, plan.companions)).encode())
        digest.update(array_digest(self.image, self.slice_axis).encode())
        return digest.hexdigest()

    def train(self, others: Sequence[ZeroShot] = ()) -> nn.Module:
        """Train and return the averaged network of the best self-supervised score.

        Args:
            others: further volumes to learn from, with the same network and pairing.
        """
        options = self.settings
        set_determinism(seed=options.seed)
        network = self._placed(make_network(self.plan, options, self.pairing))
        symmetric = self.plan.pairing in _SYMMETRIC
        training = PairTraining(
            network=network,
            volumes=[volume for job in (self, *others) for volume in job.training_volumes()],
            pairing=self.pairing,
            loss_function=NeighborSliceLoss(options.lambda_rc, options.lambda_ic) if symmetric else WeightedLoss(),
            inferer=SymmetricPairInferer(mean=options.lambda_ic > 0) if symmetric else PairInferer(),
            options=self.training_options(),
            device=self.device,
            folder=self.folder,
            fingerprint="".join(job.fingerprint() for job in (self, *others)),
            resume=self.resume,
            progress=self.progress,
        )
        trained = training.run()
        self.scores = training.scores()
        self.take(trained)
        if self.plan.pairing == "blind":
            # the image against itself says nothing; against another image with the same noise it would be this
            self.scores["input_error"] = 2 * self.noise.sigma(0) ** 2
        return trained

    def take(self, trained: nn.Module) -> nn.Module:
        """Use a network of the plan that is trained already; returns it as it is to be run."""
        trained = self._placed(trained)
        self.scores["noise_gain"] = noise_gain(self, trained)
        self.plan = replace(self.plan, noise_gain=self.scores["noise_gain"])
        return trained

    def _placed(self, network: nn.Module) -> nn.Module:
        # one order in memory wherever it comes from, since the last bits depend on it
        network = network.to(self.device)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def infer(self, how: nn.Module | Denoiser, out: torch.Tensor) -> torch.Tensor:
        """Denoise every slice of ``work`` into ``out``, (C, X, Y, Z)."""
        if not self.plan.companions or not isinstance(how, nn.Module):
            return self.denoise(
                how, self.work, self.scalings, out, lambda done, total: self._report("denoising", done, total)
            )
        for c, stack, progress in self.companions.each(lambda done, total: self._report("denoising", done, total)):
            self.denoise(how, stack, self.scalings[c : c + 1], out[c : c + 1], progress)
        return out

    def denoise(
        self,
        how: nn.Module | Denoiser,
        image: torch.Tensor,
        scalings: list[AffineScaling],
        out: torch.Tensor,
        progress: Callable[[int, int], None] | None = None,
    ) -> torch.Tensor:
        """Denoise an image that is like ``work``, or a part of it.

        Args:
            how: a network of the plan, run over the slices along the plan's axes; or anything else that denoises.
            image: (C, X, Y, Z); with companions one channel, and they behind it.
            scalings: to normalised units, one for each channel that is denoised.
            out: where the result goes.
            progress: called with (slices done, slices in all).
        """
        if not isinstance(how, nn.Module):
            return how(image, scalings, out, progress)
        axis = self.slice_axis if image.shape[1:] == self.image.shape[1:] else -1
        return denoise_along(self._inferer(progress), self.plan.axes, image, self._around(how), scalings, out, axis)

    def fuse(
        self, denoised: torch.Tensor, out: torch.Tensor, share_out: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, float]:
        """Posterior fusion of all channels of ``work`` into ``out``, and the mean share of what was put back.

        ``out`` may be ``denoised``. ``share_out`` takes the share of each voxel, 0 to 1, if it is given.
        """
        shares = [
            fuse_channel(
                self.plan,
                self.work[c],
                denoised[c],
                self.noise.weight(c)[0] if self.noise.local else None,
                self.noise.sigma(c),
                self.scalings[c],
                out[c],
                None if share_out is None else share_out[c],
                progress=lambda done, total: drop_pages(),
                brightest=self.noise.brightest,
            )
            for c in range(denoised.shape[0])
        ]
        return out, sum(shares) / len(shares)

    def on_part(
        self, how: nn.Module | Denoiser, channel: int, part: tuple[slice, ...], fuse: bool | None = None
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """All that is done to a part of a channel, as a function of normalised images (1, X, Y, Z).

        Args:
            how: see :meth:`denoise`.
            channel: whose noise it is.
            part: index of the part in (1, X, Y, Z).
            fuse: whether fusion follows; None as the settings say.
        """
        unit = AffineScaling(0.0, 1.0)
        fuse = self.settings.fusion if fuse is None else fuse
        local = fuse and self.noise.local
        weight = self.noise.weight(channel)[part][0] if local else None
        seen = self.companions.around(channel, part) if self.plan.companions and isinstance(how, nn.Module) else None

        def denoise(noisy: torch.Tensor) -> torch.Tensor:
            image = noisy if seen is None else torch.cat([noisy, seen])
            denoised = self.denoise(how, image, [unit], torch.empty_like(noisy))
            if fuse:
                images = noisy[0], denoised[0], weight, self.noise.sigma(channel), unit, denoised[0]
                fuse_channel(self.plan, *images, units=self.scalings[channel], brightest=self.noise.brightest)
            return denoised

        return denoise

    def _inferer(self, progress: Callable[[int, int], None] | None) -> VolumeSliceInferer:
        s, sides = self.settings, [side for axis, side in enumerate(self.work.shape[1:]) if axis != self.plan.axis]
        batch = slices_a_pass(s.inference_batch, sides, s.tile, self.device)
        return VolumeSliceInferer(self.pairing, batch_size=batch, tile=s.tile, amp=s.amp, progress=progress)

    def _around(self, network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
        """The network with all that is done around it once it is trained."""
        s = self.settings
        if self.plan.pairing != "blind" or self.plan.blind_spot is None:
            return FlipRotateMean(network) if s.augment_inference else network
        stride = self.plan.stride if s.inference_stride is None else s.inference_stride
        blind = BlindSpotInferer(stride=stride, repeats=s.refine, augment=bool(s.augment_inference), seed=s.seed)
        return blind.wrap(network)

    def chosen_channels(self) -> list[int]:
        """The time points that are learned from, evenly spaced."""
        count = self.work.shape[0]
        used = min(count, self.settings.training_volumes)
        return [round(k * (count - 1) / max(used - 1, 1)) for k in range(used)]

    def training_volumes(self) -> list[dict[str, Any]]:
        """What the pairs are drawn from: ``image`` (C, *S), its ``scaling`` and, for neighbors, ``weight`` (1, *S)."""
        chosen = self.chosen_channels()
        if self.plan.pairing == "repeat":
            return [{"image": self.channels(chosen), "scaling": self.scalings[0]}]
        volumes: list[dict[str, Any]] = []
        for step, c in enumerate(chosen):
            image = self.companions.stack(c) if self.plan.companions else self.work[c : c + 1]
            volume: dict[str, Any] = {"image": image, "scaling": self.scalings[c]}
            if self.plan.pairing == "neighbor":
                volume["weight"] = self.noise.weight(c, (step, len(chosen)))
            volumes.append(volume)
            for other in self.plan.axes[1:]:
                volumes.append({**volume, "image": turned(volume["image"], self.plan.axis, other)})
        return volumes

    def channels(self, chosen: list[int]) -> torch.Tensor:
        """Some channels of the image, without a copy when it is all of them."""
        if len(chosen) == self.work.shape[0]:
            return self.work
        some = allocate((len(chosen), *self.work.shape[1:]), self.slice_axis, self.work.dtype)
        for target, c in enumerate(chosen):
            for index in runs(self.work[c : c + 1], self.slice_axis):
                some[target : target + 1][index] = self.work[c : c + 1][index]
        return some

    def _report(self, stage: str, done: int, total: int) -> None:
        """After some slices: what was mapped of them is no longer needed."""
        drop_pages()
        if self.progress is not None:
            self.progress(stage, done, total)

    def training_options(self) -> TrainingOptions:
        """The numbers of a training, as the settings say."""
        s = self.settings
        largest = max(side for axis, side in enumerate(self.work.shape[1:]) if axis != self.plan.axis)
        return TrainingOptions(
            iterations=int(s.iterations or 0),
            epoch_length=min(s.validate_every, int(s.iterations or 0)),
            batch_size=int(s.batch_size or 0),
            patch_size=min(int(s.patch_size or 0), largest),
            optimizer=s.optimizer,
            learning_rate=float(s.learning_rate or 0),
            weight_decay=s.weight_decay,
            ema_decay=s.ema_decay,
            validation_pairs=s.validation_pairs,
            patience=s.patience,
            num_workers=s.num_workers,
            seed=s.seed,
            amp=s.amp,
            compile=s.compile,
        )

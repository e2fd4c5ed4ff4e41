# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The second network: trained on pairs of condition and target, and asked for the mean of the target."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from monai.networks.schedulers import DDPMScheduler
from torch import nn

from benchmarks.stage2.cases import Case
from benchmarks.stage2.first import estimate, fit, slice_inferer
from benchmarks.stage2.variants import Variant
from monai_diffdenoise.data import pair_loader
from monai_diffdenoise.data.pair_dataset import PairDataset
from monai_diffdenoise.engines import condition_volumes
from monai_diffdenoise.inferers import DiffusionPairInferer, DiffusionState, SRDSInferer
from monai_diffdenoise.losses import DiffusionPairLoss
from monai_diffdenoise.networks import ConditionalDiffusion
from monai_diffdenoise.transforms import ConditionedPair, MatchedRegionWeight, RandConditionedPaird

__all__ = ["Second"]


class Second:
    """One variant on one case.

    Args:
        case: the noisy volume.
        first: the first network, trained.
        variant: how to train.
        steps: of the training.
    """

    def __init__(self, case: Case, first: nn.Module, variant: Variant, steps: int) -> None:
        self.case, self.first, self.variant = case, first, variant
        self.steps = round(variant.length * steps)
        target = "recorrupted" if variant.target == "repeat" else variant.target
        reach = case.context // 2
        distance = reach + 1 if target == "neighbor" else 1
        self.pairing = pairing = ConditionedPair(target, -1, distance, reach, show_noisy=variant.shown)  # type: ignore[arg-type]
        volumes = [self._conditioned(volume) for volume in self._volumes()]
        self.strength = [variant.noise * case.sigma] + [0.0] * (pairing.in_channels - 1)
        self.scheduler = DDPMScheduler(1000, schedule=variant.schedule, prediction_type=variant.prediction)
        if variant.residual:
            removed = torch.stack([v.get("targets", v["image"]) - v["condition"] for v in volumes])
            self.state = DiffusionState(True, float(removed.square().mean().sqrt()))
        else:
            self.state = DiffusionState(False, 0.5, 0.5)
        torch.manual_seed(1000 + case.seed)
        self.network: nn.Module = ConditionalDiffusion(condition_channels=pairing.in_channels, channels=(16, 16))
        supply = PairDataset(volumes, RandConditionedPaird(pairing, patch_size=40, part="all"), case.seed)
        self.loader = pair_loader(supply, 8, self.steps)
        self.random = torch.Generator().manual_seed(case.seed)

    def _volumes(self) -> list[dict[str, torch.Tensor]]:
        """The volumes, what the first network makes of them, and the targets."""
        case, variant = self.case, self.variant
        volumes = [{"image": case.work(case.noisy["seen"])}]
        recorrupted = variant.target == "recorrupted"
        found = condition_volumes(
            volumes,
            self.first,
            slice_inferer(case),
            case.recorruption(variant.tau, variant.told) if recorrupted else None,
            variant.draws if recorrupted else 1,
            case.seed,
        )
        if variant.target == "repeat":
            found[0]["targets"] = case.work(case.draw("seen", 1000 * case.seed + 500))
        if variant.target == "neighbor":
            found[0]["weight"] = MatchedRegionWeight(distance=self.pairing.distance)(found[0]["image"])
        return found

    def _conditioned(self, volume: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if self.variant.condition == "identity":
            return {**volume, "condition": volume["image"]}
        if self.variant.condition == "none":
            return {**volume, "condition": torch.full_like(volume["image"], 0.5)}
        return volume

    def train(self) -> Iterator[tuple[int, float, nn.Module]]:
        """(steps done, CPU seconds, averaged network), now and then."""
        variant = self.variant
        times = (variant.low, 1.0)
        diffuse = DiffusionPairInferer(self.scheduler, self.state, self.strength, times=times, seed=self.case.seed)
        loss = DiffusionPairLoss(variant.p, variant.weighting, prediction_type=variant.prediction)  # type: ignore[arg-type]

        def ask(pair: dict[str, torch.Tensor]) -> torch.Tensor:
            if not variant.regression:
                return loss(diffuse(pair["image"], self.network, pair=pair), pair)
            error = (self._mean(pair["image"], self.network) - pair["target"]).square()
            return (pair["weight"] * error).sum() / pair["weight"].sum() / self.state.scale**2

        spent, begin = 0.0, time.process_time()
        for step, average in fit(self.network, self.loader, ask, variant.rate, self.steps):
            spent += time.process_time() - begin
            yield step, round(spent, 1), average
            begin = time.process_time()

    def _mean(self, condition: torch.Tensor, network: nn.Module) -> torch.Tensor:
        """The regression's answer: that of a velocity at the last time, for a state of 0."""
        noise = torch.randn(condition.shape, generator=self.random) * torch.tensor(self.strength)[:, None, None]
        empty = torch.zeros_like(condition[:, :1])
        output = network(torch.cat([empty, self.state.show(condition + noise)], dim=1))
        return self.state.decode(-output, condition)

    def conditions(self, noisy: torch.Tensor, redraws: int = 0) -> list[torch.Tensor]:
        """What the model is shown of all slices of a volume (1, X, Y, Z), (Z, C, X, Y); for each of some redraws.

        Args:
            noisy: in working units.
            redraws: recorrupt the volume as in training, so many times; 0 shows it as it is.
        """
        random = np.random.RandomState(7)
        recorruption = self.case.recorruption(self.variant.tau, self.variant.told)
        shown = []
        for volume in [recorruption.split(noisy, random)[0] for _ in range(redraws)] or [noisy]:
            made = self._conditioned({"image": volume, "condition": estimate(self.case, self.first, volume)})
            shown.append(self.pairing.inputs(volume, 0, volume.shape[-1], made["condition"]))
        return shown

    @torch.no_grad()
    def results(
        self,
        network: nn.Module,
        shown: list[torch.Tensor],
        noisy: torch.Tensor | None = None,
        how: dict[str, Any] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Means and spreads (K, 1, X, Y, D) for what is shown of some slices, K times.

        Args:
            network: the averaged one.
            shown: from :meth:`conditions`.
            noisy: what sampling may start from; the condition when None.
            how: arguments of the sampler that differ from one pair in 10 steps.
        """
        if self.variant.regression:
            means = torch.stack([_volume(self._mean(one, network)) for one in shown])
            return means, torch.zeros_like(means)
        sampler = SRDSInferer(self.scheduler, state=self.state, **{**self._sampling, **(how or {})})
        both = [
            sampler(one[:, :1] if noisy is None else noisy.movedim(-1, 0), network, condition=one, return_stats=True)
            for one in shown
        ]
        means, spreads = (torch.stack([_volume(part) for part in parts]) for parts in zip(*both, strict=True))
        return means, spreads

    @property
    def _sampling(self) -> dict[str, Any]:
        how: dict[str, Any] = {"num_inference_steps": 10, "condition_noise": self.strength}
        if self.variant.ways == "start":
            return {**how, "start": "noisy", "start_timestep": round(1000 * self.variant.time) - 1}
        return {**how, "earliest_timestep": round(1000 * self.variant.low)}


def _volume(slices: torch.Tensor) -> torch.Tensor:
    return slices.movedim(0, -1).contiguous()

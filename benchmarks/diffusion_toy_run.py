# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One variant of the diffusion toy: trained, and scored on its way."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from monai.networks.schedulers import DDPMScheduler
from torch import nn

from benchmarks.diffusion_toy_data import Toy, apply, fit, slices, white
from monai_diffdenoise.data import pair_loader
from monai_diffdenoise.data.pair_dataset import PairDataset
from monai_diffdenoise.inferers import DiffusionPairInferer, DiffusionState, SRDSInferer, posterior_fusion
from monai_diffdenoise.losses import DiffusionPairLoss
from monai_diffdenoise.metrics import noise_gain, psnr
from monai_diffdenoise.networks import ConditionalDiffusion
from monai_diffdenoise.transforms import ConditionedPair, RandConditionedPaird

__all__ = ["Scorer", "Variant", "fuse", "run"]


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Args:
        target: "same", "independent" (a second draw of noise, as a repeat has), "neighbor" (the next slice, unweighted)
            or "recorrupted".
        regression: the network is asked for the mean at once.
        tau: of recorrupted pairs.
        noise: on the condition, in units of sigma.
        show: show the noisy slice beside the condition.
        prediction: what the network gives.
        residual: diffuse target minus condition in units of its standard deviation, not the image in -1 to 1.
        antithetic: see ``DiffusionPairInferer``; the number of pairs a step is halved.
        p: of the loss.
        weighting: of the loss.
        low: earliest time, as a share of the schedule.
        iterations: steps.
        channels: of the network.
        schedule: MONAI's name.
        full: also sample with other numbers of steps and pairs.
    """

    target: str = "same"
    regression: bool = False
    tau: float = 1.0
    noise: float = 0.0
    show: bool = False
    prediction: str = "v_prediction"
    residual: bool = True
    antithetic: bool = False
    p: int = 2
    weighting: str = "uniform"
    low: float = 0.0
    iterations: int = 400
    channels: tuple[int, ...] = (16, 32, 32)
    schedule: str = "linear_beta"
    full: bool = False

    def pairs(self, toy: Toy) -> tuple[dict[str, torch.Tensor], ConditionedPair]:
        """The volumes to train on, and their pairing."""
        noisy, condition, targets = toy.noisy["seen"], toy.condition["seen"], toy.second
        if self.target in ("same", "neighbor"):
            return {"image": noisy, "condition": condition}, ConditionedPair(self.target, show_noisy=self.show)  # type: ignore[arg-type]
        if self.target == "recorrupted":
            extra = toy.sigma * white(noisy.shape, 11)
            noisy, targets = noisy + self.tau * extra, noisy - extra / self.tau
            condition = apply(toy.network, noisy)
        volumes = {"image": noisy, "condition": condition, "targets": targets}
        return volumes, ConditionedPair("recorrupted", show_noisy=self.show)

    def shown(self, toy: Toy, crop: str, draw: int | None = None) -> torch.Tensor:
        """What the model is conditioned on for the scored slices, (D, C, h, w); recorrupted anew with a draw."""
        noisy, condition = slices(toy.noisy[crop]), slices(toy.condition[crop])
        if draw is not None:
            noisy = noisy + self.tau * toy.sigma * white(noisy.shape, 100 + draw)
            with torch.no_grad():
                condition = toy.network(noisy)
        return torch.cat([condition, noisy] if self.show else [condition], dim=1)


class Scorer:
    """Score results on both crops where the clean one is above 0.15, and keep the rows."""

    def __init__(self, toy: Toy, out: Path) -> None:
        self.toy, self.out = toy, out / "rows.jsonl"

    def __call__(self, method: str, results: dict[str, torch.Tensor], **more: Any) -> None:
        """Write one row for results (D, 1, h, w) by crop."""
        row: dict[str, Any] = {"sigma": round(255 * self.toy.sigma), "method": method, **more}
        for crop, result in results.items():
            clean, noisy = slices(self.toy.clean[crop])[:, 0][None], slices(self.toy.noisy[crop])[:, 0][None]
            part, mask = result[:, 0][None], clean > 0.15
            row[crop] = psnr(part, clean, 1.0, mask)
            row[crop + "_gain"] = noise_gain(part, clean, noisy - clean, mask)
        with self.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{row['sigma']}/255 {method}: {row['seen']:.2f} dB, gain {row['seen_gain']:.3f}", flush=True)


def fuse(noisy: torch.Tensor, denoised: torch.Tensor, sigma: float) -> torch.Tensor:
    """Posterior fusion slice by slice (D, 1, h, w)."""
    pairs = zip(noisy[:, 0, ..., None], denoised[:, 0, ..., None], strict=True)
    return torch.stack([posterior_fusion(y, c, sigma**2)[0][None, ..., 0] for y, c in pairs])


def _ways(variant: Variant, last: bool) -> dict[str, dict[str, Any]]:
    """Names of methods and what is special about them."""
    again: dict[str, dict[str, Any]] = {}
    if last and variant.target == "recorrupted":
        again = {"4 recorruptions": {"draws": 4}}
    if variant.regression:
        return {"regression": {}} | ({"regression, 4 draws": {"number": 4}} if variant.noise else {}) | again
    ways: dict[str, dict[str, Any]] = {"srds 10": {}} | again
    if last:
        ways |= {"srds 1": {"num_inference_steps": 1}}
    if last and variant.full:
        ways["srds 10, 4 pairs"] = {"num_pairs": 4}
        ways |= {f"srds {n}": {"num_inference_steps": n} for n in (5, 25)}
        ways |= {"srds 1, 4 pairs": {"num_inference_steps": 1, "num_pairs": 4}, "srds 10, 2 pairs": {"num_pairs": 2}}
        ways |= {"two independent draws": {"symmetric": False}, "srds 10 from pure noise": {"start": "noise"}}
    return ways


def run(toy: Toy, name: str, variant: Variant, score: Scorer) -> None:
    """Train one variant and score it at a quarter, half and all of its steps; by more methods at the end."""
    torch.manual_seed(1)
    volumes, pairing = variant.pairs(toy)
    strength = [variant.noise * toy.sigma] + [0.0] * (pairing.in_channels - 1)
    scheduler = DDPMScheduler(1000, schedule=variant.schedule, prediction_type=variant.prediction)
    state = DiffusionState(True, toy.spread) if variant.residual else DiffusionState(False, 0.5, 0.5)
    network = ConditionalDiffusion(condition_channels=pairing.in_channels, channels=variant.channels)
    supply = PairDataset([volumes], RandConditionedPaird(pairing, patch_size=40, part="all"))
    loader = pair_loader(supply, 4 if variant.antithetic else 8, variant.iterations)
    diffuse = DiffusionPairInferer(scheduler, state, strength, variant.antithetic, times=(variant.low, 1.0))
    loss = DiffusionPairLoss(variant.p, variant.weighting, prediction_type=variant.prediction)  # type: ignore[arg-type]
    draws = torch.Generator().manual_seed(3)

    def estimate(condition: torch.Tensor, model: nn.Module) -> torch.Tensor:
        noise = torch.randn(condition.shape, generator=draws) * torch.tensor(strength)[:, None, None]
        empty = torch.zeros_like(condition[:, :1])
        return state.decode(model(torch.cat([empty, state.show(condition + noise)], dim=1)), condition)

    common = {"condition_noise": strength, "state": state, "earliest_timestep": round(1000 * variant.low)}

    def ask(pair: dict[str, torch.Tensor]) -> torch.Tensor:
        if variant.regression:
            return (estimate(pair["image"], network) - pair["target"]).square().mean() / state.scale**2
        return loss(diffuse(pair["image"], network, pair=pair), pair)

    def result(crop: str, model: nn.Module, draws: int = 0, number: int = 1, **how: Any) -> torch.Tensor:
        found = []
        for draw in range(draws) if draws else [None]:
            condition = variant.shown(toy, crop, draw)
            if variant.regression:
                with torch.no_grad():
                    found += [estimate(condition, model) for _ in range(number)]
            else:
                sampler = SRDSInferer(scheduler, **{**common, **how})
                found.append(sampler(condition[:, :1], model, condition=condition))
        return torch.stack(found).mean(0)

    spent = 0.0
    begin = time.perf_counter()
    for step, average in fit(network, loader, ask, 2e-3, variant.iterations):
        spent += time.perf_counter() - begin
        told = {"step": step, "seconds": round(spent, 1), **asdict(variant)}
        last = step == variant.iterations
        for method, how in _ways(variant, last).items():
            results = {crop: result(crop, average, **how) for crop in ("seen", "other")}
            score(f"{name}: {method}", results, **told)
            if last and method in (
                "srds 10",
                "srds 10, 4 pairs",
                "regression",
                "regression, 4 draws",
                "4 recorruptions",
            ):
                fused = {crop: fuse(slices(toy.noisy[crop]), found, toy.sigma) for crop, found in results.items()}
                score(f"{name}: {method} + fusion", fused, **told)
        begin = time.perf_counter()
    torch.save(average.state_dict(), score.out.with_name(f"{round(255 * toy.sigma)} {name}.pt"))

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Conditional diffusion on noisy slices, small enough for one core: what makes the noise come back, and what does not.

    python -m benchmarks.diffusion_toy --data ../shared/data --out /tmp/toy [--sigma 25 6] [--only same ...]

Slices of the ICBM152 template with Gaussian noise of sigma / 255; a small blind-spot network makes the condition, a
small ``ConditionalDiffusion`` is trained on (condition, target) pairs of one crop, and both that crop ("seen") and
another one are scored where the template is above 0.15. The clean template is used for the scores alone. Writes
rows.jsonl (one line a score) and table.md to --out; a variant that is there already is not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.networks.nets import SegResNet
from monai.networks.schedulers import DDPMScheduler
from torch import nn

from benchmarks.diffusion_toy_table import table
from monai_diffdenoise.data import pair_loader
from monai_diffdenoise.data.pair_dataset import PairDataset
from monai_diffdenoise.engines import WeightAverage
from monai_diffdenoise.inferers import DiffusionPairInferer, DiffusionState, SRDSInferer, posterior_fusion
from monai_diffdenoise.losses import DiffusionPairLoss
from monai_diffdenoise.metrics import noise_gain, psnr
from monai_diffdenoise.networks import ConditionalDiffusion
from monai_diffdenoise.networks.blocks import MaskedConv, batch_to_space, pad_to_multiple, space_to_batch
from monai_diffdenoise.transforms import BlindSpotPair, ConditionedPair, RandConditionedPaird, RandPaird

__all__ = ["main"]

_SIZE, _DEPTH = 80, 72


class ToyBlindSpot(nn.Module):
    """Masked 3 x 3 convolution, a small network on the 2 x 2 phases, and 1 x 1 layers."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.head = MaskedConv(2, 1, channels)
        self.body = SegResNet(2, channels, channels, channels, blocks_down=(1, 1, 1), blocks_up=(1, 1),
                              norm=("GROUP", {"num_groups": 4}), upsample_mode="nontrainable")  # fmt: skip
        self.tail = nn.Sequential(nn.Conv2d(2 * channels, channels, 1), nn.LeakyReLU(0.1), nn.Conv2d(channels, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        first = self.head(pad_to_multiple(image, 8))
        deep = batch_to_space(self.body(space_to_batch(first, 2)), 2)
        return self.tail(torch.cat([first, deep], 1))[..., : image.shape[-2], : image.shape[-1]]


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Args:
        target: "same", "independent" (a second draw of noise), "neighbor" (the next slice, not weighted) or
            "recorrupted".
        regression: the network is asked for the mean at once.
        tau: of recorrupted pairs.
        noise: on the condition, in units of sigma.
        show: show the noisy slice beside the condition.
        prediction: type.
        residual: diffuse target minus condition in units of its standard deviation, not the image in -1 to 1.
        antithetic: see ``DiffusionPairInferer``; the number of pairs a step is halved.
        p: of the loss.
        weighting: of the loss.
        low: earliest time, as a share of the schedule.
        iterations: steps.
        channels: of the network.
        schedule: MONAI's name.
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
    iterations: int = 600
    channels: tuple[int, ...] = (16, 32, 32)
    schedule: str = "linear_beta"


@dataclass
class Toy:
    """Everything of one noise level; tensors (1, X, Y, Z): ``seen`` trains, ``other`` only scores."""

    sigma: float
    clean: dict[str, torch.Tensor] = field(default_factory=dict)
    noisy: dict[str, torch.Tensor] = field(default_factory=dict)
    second: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    condition: dict[str, torch.Tensor] = field(default_factory=dict)
    network: nn.Module | None = None
    spread: float = 0.0


def _noise(shape: torch.Size, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(tuple(shape))).float()


def slices(volume: torch.Tensor) -> torch.Tensor:
    """The slices (D, 1, h, w) that are scored: every sixteenth."""
    return volume.movedim(-1, 0)[4::16]


def load(data: Path, sigma: float) -> Toy:
    """Two crops with noise."""
    volume = nib.load(data / "B_clean_icbm152_t1_uint8.nii.gz").get_fdata()
    toy = Toy(sigma)
    for seed, (name, y) in enumerate({"seen": 40, "other": 136}.items()):
        crop = volume[55 : 55 + _SIZE, y : y + _SIZE, 30 : 30 + _DEPTH] / 90.739
        toy.clean[name] = torch.from_numpy(crop).float()[None]
        toy.noisy[name] = toy.clean[name] + sigma * _noise(toy.clean[name].shape, seed)
    toy.second = toy.clean["seen"] + sigma * _noise(toy.second.new_empty(toy.clean["seen"].shape).shape, 7)
    return toy


def apply(network: nn.Module, volume: torch.Tensor) -> torch.Tensor:
    """A 2D network over all slices of a volume."""
    with torch.no_grad():
        return torch.cat([network(part) for part in volume.movedim(-1, 0).split(8)]).movedim(0, -1)


def fit(network: nn.Module, loader: Any, ask: Any, rate: float, iterations: int) -> Iterator[tuple[int, nn.Module]]:
    """Train; yields (steps done, averaged network) at an eighth, a quarter, half and all of the steps."""
    average = WeightAverage(network, 0.995)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-5)
    marks = {iterations // 4, iterations // 2, iterations}
    for step, pair in enumerate(loader):
        for group in optimizer.param_groups:
            group["lr"] = (
                rate * min((step + 1) / 50, 1.0) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / iterations)))
            )
        optimizer.zero_grad()
        ask(pair).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update()
        if step + 1 in marks:
            yield step + 1, average.network


def add_condition(toy: Toy, out: Path, iterations: int) -> None:
    """Train the blind-spot network, or load it, and denoise both crops."""
    torch.manual_seed(0)
    toy.network = ToyBlindSpot()
    file = out / f"bsn_{round(255 * toy.sigma)}.pt"
    if file.exists():
        toy.network.load_state_dict(torch.load(file))
    else:
        supply = PairDataset([{"image": toy.noisy["seen"]}], RandPaird(BlindSpotPair(), patch_size=48, part="all"))
        network = toy.network
        for _, average in fit(
            network,
            pair_loader(supply, 8, iterations),
            lambda pair: (network(pair["image"]) - pair["target"]).square().mean(),
            2e-3,
            iterations,
        ):
            toy.network = average
        torch.save(toy.network.state_dict(), file)
    toy.network.eval()
    toy.condition = {name: apply(toy.network, noisy) for name, noisy in toy.noisy.items()}
    toy.spread = float((toy.noisy["seen"] - toy.condition["seen"]).square().mean().sqrt())


def training(toy: Toy, variant: Variant) -> tuple[dict[str, torch.Tensor], ConditionedPair]:
    """The volumes and the pairing of a variant."""
    noisy, condition = toy.noisy["seen"], toy.condition["seen"]
    if variant.target in ("same", "neighbor"):
        return {"image": noisy, "condition": condition}, ConditionedPair(variant.target, show_noisy=variant.show)  # type: ignore[arg-type]
    targets = toy.second
    if variant.target == "recorrupted":
        extra = toy.sigma * _noise(noisy.shape, 11)
        noisy, targets = noisy + variant.tau * extra, noisy - extra / variant.tau
        assert toy.network is not None
        condition = apply(toy.network, noisy)
    volumes = {"image": noisy, "condition": condition, "targets": targets}
    return volumes, ConditionedPair("recorrupted", show_noisy=variant.show)


class Scorer:
    """Score results on both crops and keep the rows."""

    def __init__(self, toy: Toy, out: Path) -> None:
        self.toy, self.out = toy, out / "rows.jsonl"

    def __call__(self, method: str, results: dict[str, torch.Tensor], **more: Any) -> None:
        """Write one row."""
        row: dict[str, Any] = {"sigma": round(255 * self.toy.sigma), "method": method, **more}
        for name, result in results.items():
            clean, noisy = slices(self.toy.clean[name]), slices(self.toy.noisy[name])
            kept, part = clean.movedim(0, -1)[..., None, :][:, :, :, 0], result.movedim(0, -1)[..., None, :][:, :, :, 0]
            mask = kept > 0.15
            row[name] = psnr(part, kept, 1.0, mask)
            row[name + "_gain"] = noise_gain(part, kept, noisy.movedim(0, -1)[..., None, :][:, :, :, 0] - kept, mask)
        with self.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(" ".join(f"{k}={v:.3f}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items()), flush=True)


def shown(toy: Toy, variant: Variant, name: str) -> torch.Tensor:
    """What the model is conditioned on for the scored slices, (D, C, h, w)."""
    parts = [slices(toy.condition[name])] + ([slices(toy.noisy[name])] if variant.show else [])
    return torch.cat(parts, dim=1)


def run(toy: Toy, name: str, variant: Variant, score: Scorer, full: bool) -> None:
    """Train one variant and score it on its way, by more methods at the end."""
    torch.manual_seed(1)
    volumes, pairing = training(toy, variant)
    strength = [variant.noise * toy.sigma] + [0.0] * (pairing.in_channels - 1)
    scheduler = DDPMScheduler(1000, schedule=variant.schedule, prediction_type=variant.prediction)
    state = DiffusionState(True, toy.spread) if variant.residual else DiffusionState(False, 0.5, 0.5)
    network = ConditionalDiffusion(condition_channels=pairing.in_channels, channels=variant.channels)
    batch = 8 // (2 if variant.antithetic else 1)
    supply = PairDataset([volumes], RandConditionedPaird(pairing, patch_size=40, part="all"))
    draws = torch.Generator().manual_seed(3)

    def estimate(condition: torch.Tensor, model: nn.Module = network) -> torch.Tensor:
        noise = torch.randn(condition.shape, generator=draws) * torch.tensor(strength)[:, None, None]
        empty = torch.zeros_like(condition[:, :1])
        return state.decode(model(torch.cat([empty, condition + noise], dim=1)), condition)

    diffuse = DiffusionPairInferer(scheduler, state, strength, variant.antithetic, times=(variant.low, 1.0))
    loss = DiffusionPairLoss(variant.p, variant.weighting, prediction_type=variant.prediction)  # type: ignore[arg-type]

    def ask(pair: dict[str, torch.Tensor]) -> torch.Tensor:
        if variant.regression:
            return (estimate(pair["image"]) - pair["target"]).square().mean() / state.scale**2
        return loss(diffuse(pair["image"], network, pair=pair), pair)

    begin = time.perf_counter()
    for step, average in fit(network, pair_loader(supply, batch, variant.iterations), ask, 2e-3, variant.iterations):
        ways: dict[str, dict[str, Any]] = {"srds 10": {}}
        last = step == variant.iterations
        if variant.regression:
            ways = {f"regression, {n} draws": {"draws": n} for n in ((1, 4) if variant.noise else (1,))}
        elif last:
            ways["srds 1"] = {"num_inference_steps": 1}
            ways["srds 10, 4 pairs"] = {"num_pairs": 4}
            if full:
                ways |= {"srds 5": {"num_inference_steps": 5}, "srds 25": {"num_inference_steps": 25}}
                ways |= {"srds 10, 2 pairs": {"num_pairs": 2}, "two independent draws": {"symmetric": False}}
                ways["srds 1, 4 pairs"] = {"num_inference_steps": 1, "num_pairs": 4}
                ways["srds 10 from pure noise"] = {"start": "noise"}
        spent = time.perf_counter() - begin
        for method, how in ways.items():
            results = {}
            for crop in ("seen", "other"):
                condition = shown(toy, variant, crop)
                if variant.regression:
                    with torch.no_grad():
                        results[crop] = sum(estimate(condition, average) for _ in range(how["draws"])) / how["draws"]
                else:
                    options = {"condition_noise": strength, "state": state, **how}
                    results[crop] = SRDSInferer(scheduler, **options)(condition[:, :1], average, condition=condition)
            score(name + ": " + method, results, step=step, seconds=round(spent, 1), **asdict(variant))
            if last and method in ("srds 10, 4 pairs", "regression, 4 draws"):
                fused = {c: fuse(slices(toy.noisy[c]), results[c], toy.sigma) for c in results}
                score(name + ": " + method + " + fusion", fused, step=step, seconds=round(spent, 1), **asdict(variant))
        begin = time.perf_counter() - spent


def fuse(noisy: torch.Tensor, denoised: torch.Tensor, sigma: float) -> torch.Tensor:
    """Posterior fusion slice by slice (D, 1, h, w)."""
    pairs = zip(noisy.unbind(), denoised.unbind(), strict=True)
    return torch.stack(
        [posterior_fusion(y[0][..., None], c[0][..., None], sigma**2, 7, 1.0)[0][None, ..., 0] for y, c in pairs]
    )


_LEAK_FREE = Variant("independent")
VARIANTS: dict[str, Variant] = {
    "regression": Variant(regression=True),
    "regression, noise 0.5": Variant(regression=True, noise=0.5),
    "regression, noise 1": Variant(regression=True, noise=1.0),
    "regression, independent": Variant("independent", regression=True),
    "same, paper": Variant(residual=False, prediction="epsilon", p=1),
    "same, image state": Variant(residual=False),
    "same": Variant(),
    "same, noise 1": Variant(noise=1.0),
    "independent, image state": replace(_LEAK_FREE, residual=False),
    "independent": _LEAK_FREE,
    "independent, x0": replace(_LEAK_FREE, prediction="sample"),
    "independent, epsilon": replace(_LEAK_FREE, prediction="epsilon"),
    "independent, antithetic": replace(_LEAK_FREE, antithetic=True),
    "recorrupted": Variant("recorrupted"),
    "recorrupted, tau 0.5": Variant("recorrupted", tau=0.5),
    "neighbor": Variant("neighbor"),
    "independent, noisy shown": replace(_LEAK_FREE, show=True),
    "regression, independent, noisy shown": replace(_LEAK_FREE, show=True, regression=True),
    "recorrupted, noisy shown": Variant("recorrupted", show=True),
    "regression, recorrupted, noisy shown": Variant("recorrupted", show=True, regression=True),
}
FULL = ("same", "independent", "same, noise 1")


def main() -> None:
    """Train and score the variants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the class B volumes")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--sigma", type=float, nargs="+", default=[25.0, 6.0], help="noise, in 1/255")
    parser.add_argument("--only", nargs="+", default=[], help="variants to run, by name; default all")
    parser.add_argument("--iterations", type=int, default=600, help="steps of each training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = options.out / "rows.jsonl"
    done = (
        {(r["sigma"], r["method"].split(":")[0]) for r in map(json.loads, rows.read_text().splitlines())}
        if rows.exists()
        else set()
    )
    for level in options.sigma:
        toy = load(options.data, level / 255)
        add_condition(toy, options.out, options.iterations)
        score = Scorer(toy, options.out)
        if (round(level), "noisy") not in done:
            scored = {
                name: {c: slices(v) for c, v in volumes.items()}
                for name, volumes in (("noisy", toy.noisy), ("BSN", toy.condition))
            }
            scored["BSN + fusion"] = {c: fuse(scored["noisy"][c], scored["BSN"][c], toy.sigma) for c in toy.noisy}
            for name, results in scored.items():
                score(name, results)
        for name in options.only or VARIANTS:
            if (round(level), name) not in done:
                run(toy, name, replace(VARIANTS[name], iterations=options.iterations), score, name in FULL)
    (options.out / "table.md").write_text(table([json.loads(line) for line in rows.read_text().splitlines()]))


if __name__ == "__main__":
    main()

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Data, blind-spot network and training loop of the diffusion toy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.networks.nets import SegResNet
from torch import nn

from monai_diffdenoise.data import pair_loader
from monai_diffdenoise.data.pair_dataset import PairDataset
from monai_diffdenoise.engines import WeightAverage
from monai_diffdenoise.networks.blocks import MaskedConv, batch_to_space, pad_to_multiple, space_to_batch
from monai_diffdenoise.transforms import BlindSpotPair, RandPaird

__all__ = ["Toy", "apply", "fit", "load", "slices", "white"]

_SIZE, _DEPTH = 80, 72


class ToyBlindSpot(nn.Module):
    """Masked 3 x 3 convolution, a small network on the 2 x 2 phases, and 1 x 1 layers."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.head = MaskedConv(2, 1, channels)
        self.body = SegResNet(
            2,
            channels,
            channels,
            channels,
            blocks_down=(1, 1, 1),
            blocks_up=(1, 1),
            norm=("GROUP", {"num_groups": 4}),
            upsample_mode="nontrainable",
        )
        self.tail = nn.Sequential(nn.Conv2d(2 * channels, channels, 1), nn.LeakyReLU(0.1), nn.Conv2d(channels, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        first = self.head(pad_to_multiple(image, 8))
        deep = batch_to_space(self.body(space_to_batch(first, 2)), 2)
        return self.tail(torch.cat([first, deep], 1))[..., : image.shape[-2], : image.shape[-1]]


@dataclass
class Toy:
    """Everything of one noise level; volumes (1, X, Y, Z), two crops: "seen" trains, "other" only scores.

    Args:
        sigma: of the noise, in normalised units.
        clean: by crop.
        noisy: by crop.
        second: the seen crop with another draw of noise.
        condition: by crop, the blind-spot network's output.
        network: the blind-spot network.
        spread: root mean square of noisy minus condition.
    """

    sigma: float
    clean: dict[str, torch.Tensor] = field(default_factory=dict)
    noisy: dict[str, torch.Tensor] = field(default_factory=dict)
    second: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    condition: dict[str, torch.Tensor] = field(default_factory=dict)
    network: nn.Module = field(default_factory=ToyBlindSpot)
    spread: float = 0.0


def white(shape: torch.Size, seed: int) -> torch.Tensor:
    """White noise of standard deviation 1."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(tuple(shape))).float()


def slices(volume: torch.Tensor) -> torch.Tensor:
    """The slices (D, 1, h, w) that are scored: every sixteenth."""
    return volume.movedim(-1, 0)[4::16]


def apply(network: nn.Module, volume: torch.Tensor) -> torch.Tensor:
    """A 2D network over all slices of a volume."""
    with torch.no_grad():
        return torch.cat([network(part) for part in volume.movedim(-1, 0).split(8)]).movedim(0, -1)


def fit(
    network: nn.Module,
    loader: Any,
    ask: Callable[[dict[str, torch.Tensor]], torch.Tensor],
    rate: float,
    iterations: int,
) -> Iterator[tuple[int, nn.Module]]:
    """Train; yields (steps done, averaged network) at a quarter, half and all of the steps."""
    average = WeightAverage(network, 0.995)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-5)
    marks = {iterations // 4, iterations // 2, iterations}
    for step, pair in enumerate(loader):
        cosine = 0.5 * (1 + math.cos(math.pi * step / iterations))
        for group in optimizer.param_groups:
            group["lr"] = rate * min((step + 1) / 50, 1.0) * (0.05 + 0.95 * cosine)
        optimizer.zero_grad()
        ask(pair).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update()
        if step + 1 in marks:
            yield step + 1, average.network


def load(data: Path, sigma: float, out: Path, iterations: int) -> Toy:
    """Two crops with noise, and what a blind-spot network, trained on one of them or loaded, makes of both."""
    volume = nib.load(data / "B_clean_icbm152_t1_uint8.nii.gz").get_fdata()
    toy = Toy(sigma)
    for seed, (name, y) in enumerate({"seen": 40, "other": 136}.items()):
        crop = volume[55 : 55 + _SIZE, y : y + _SIZE, 30 : 30 + _DEPTH] / 90.739
        toy.clean[name] = torch.from_numpy(crop).float()[None]
        toy.noisy[name] = toy.clean[name] + sigma * white(toy.clean[name].shape, seed)
    toy.second = toy.clean["seen"] + sigma * white(toy.clean["seen"].shape, 7)

    file = out / f"bsn_{round(255 * sigma)}.pt"
    torch.manual_seed(0)
    network = toy.network = ToyBlindSpot()
    if file.exists():
        network.load_state_dict(torch.load(file))
    else:
        supply = PairDataset([{"image": toy.noisy["seen"]}], RandPaird(BlindSpotPair(), patch_size=48, part="all"))

        def ask(pair: dict[str, torch.Tensor]) -> torch.Tensor:
            return (network(pair["image"]) - pair["target"]).square().mean()

        for _, average in fit(network, pair_loader(supply, 8, iterations), ask, 2e-3, iterations):
            toy.network = average
        torch.save(toy.network.state_dict(), file)
    toy.network.eval()
    toy.condition = {name: apply(toy.network, noisy) for name, noisy in toy.noisy.items()}
    toy.spread = float((toy.noisy["seen"] - toy.condition["seen"]).square().mean().sqrt())
    return toy

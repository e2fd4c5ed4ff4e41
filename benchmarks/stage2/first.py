# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The blind-spot network that makes the condition, trained once for each case and seed, and kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.stage2.cases import Case
from monai_diffdenoise.data import pair_loader
from monai_diffdenoise.data.atomic import atomic_file
from monai_diffdenoise.data.pair_dataset import PairDataset
from monai_diffdenoise.engines import Muon, WeightAverage
from monai_diffdenoise.inferers import VolumeSliceInferer
from monai_diffdenoise.networks import BlindStack
from monai_diffdenoise.transforms import AffineScaling, BlindSpotPair, RandPaird

__all__ = ["estimate", "first_network", "fit", "slice_inferer"]


# Of the preset with as many steps.
_RATE = 2e-3


def fit(
    network: nn.Module, loader: Any, ask: Callable[[Any], torch.Tensor], rate: float, steps: int
) -> Iterator[tuple[int, nn.Module]]:
    """Train; yields (steps done, averaged network) at an eighth, a quarter, half and all of the steps."""
    average = WeightAverage(network, 0.99)
    optimizer = Muon(network.parameters(), lr=rate, weight_decay=1e-5)
    marks = {steps // 8, steps // 4, steps // 2, steps}
    for step, pair in enumerate(loader):
        cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * min((step + 1) / 30, 1.0) * (0.02 + 0.98 * cosine)
        optimizer.zero_grad()
        ask(pair).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update()
        if step + 1 in marks:
            yield step + 1, average.network


def slice_inferer(case: Case) -> VolumeSliceInferer:
    """Runs the first network over a volume."""
    return VolumeSliceInferer(BlindSpotPair(context=case.context))


@torch.no_grad()
def estimate(case: Case, network: nn.Module, noisy: torch.Tensor) -> torch.Tensor:
    """What the first network makes of a volume (1, X, Y, Z)."""
    return slice_inferer(case).denoise(noisy, network, [AffineScaling(0.0, 1.0)])


def first_network(case: Case, folder: Path, steps: int) -> tuple[nn.Module, dict[str, float]]:
    """The network, trained or loaded, and its CPU seconds."""
    file = folder / f"first {case.name} {case.seed} {steps}.pt"
    torch.manual_seed(case.seed)
    network = BlindStack(channels=16, context_channels=case.context, blind_spot=case.blind_spot)
    if file.exists():
        kept = torch.load(file, weights_only=True)
        network.load_state_dict(kept["network"])
        return network.eval(), {"first_steps": steps, "first_seconds": kept["seconds"]}
    supply = PairDataset(
        [{"image": case.work(case.noisy["seen"])}],
        RandPaird(BlindSpotPair(context=case.context), patch_size=48, part="all"),
        case.seed,
    )

    def ask(pair: dict[str, torch.Tensor]) -> torch.Tensor:
        return (pair["weight"] * (network(pair["image"]) - pair["target"]).square()).sum() / pair["weight"].sum()

    begin = time.process_time()
    average: nn.Module = network
    for _, average in fit(network, pair_loader(supply, 8, steps), ask, _RATE, steps):  # noqa: B007
        pass
    seconds = round(time.process_time() - begin, 1)
    with atomic_file(file) as part:
        torch.save({"network": average.state_dict(), "seconds": seconds}, part)
    return average.eval(), {"first_steps": steps, "first_seconds": seconds}

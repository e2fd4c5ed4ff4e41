# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Networks trained on one case for so many CPU seconds, and what they return."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from benchmarks.cases import Case
from benchmarks.networks import CANDIDATES, Residual
from benchmarks.quality.cost import stage
from monai_diffdenoise.analysis import measure_noise
from monai_diffdenoise.data import pair_loader
from monai_diffdenoise.data.pair_dataset import PairDataset
from monai_diffdenoise.engines import Muon, WeightAverage
from monai_diffdenoise.inferers import VolumeSliceInferer, posterior_fusion
from monai_diffdenoise.losses import WeightedLoss
from monai_diffdenoise.transforms.pairing import Pairing
from monai_diffdenoise.transforms.pairs import RandPaird
from monai_diffdenoise.transforms.scaling import robust_scaling

__all__ = ["denoise_by_training", "residual_unet", "timed_batches"]


def timed_batches(batches: Any, seconds: float, optimizer: torch.optim.Optimizer, rate: float) -> Iterator[Any]:
    """Batches for so many seconds of this process's CPU time, with a warm start and a cosine decay of the rate.

    CPU time, not the clock's, so that a busy machine changes nothing.
    """
    start = time.process_time()
    for steps, batch in enumerate(batches):
        share = (time.process_time() - start) / seconds
        if share >= 1:
            return
        for group in optimizer.param_groups:
            group["lr"] = rate * min((steps + 1) / 50, 1.0) * 0.5 * (1 + math.cos(math.pi * share))
        yield batch


def residual_unet() -> nn.Module:
    """MONAI's UNet that did best in :mod:`benchmarks.networks`; it predicts what to add to the image."""
    return Residual(CANDIDATES["UNet 16, no residual units"]())


def denoise_by_training(
    case: Case,
    make_network: Callable[[], nn.Module],
    pairing: Pairing,
    seconds: float,
    seed: int,
    *,
    after: Any = None,
    rate: float = 2e-3,
    patch_size: int = 48,
    batch_size: int = 8,
    wrap: Callable[[nn.Module], Callable[[torch.Tensor], torch.Tensor]] | None = None,
) -> dict[str, torch.Tensor]:
    """Train on all channels of a case, denoise them, and fuse the result with the noisy image.

    Args:
        case: its noisy volume alone is used.
        make_network: makes the network.
        pairing: what the network sees, and is compared with.
        seconds: CPU seconds of the training.
        seed: of weights and pairs.
        after: a random transform of the pair (masking), or None.
        rate: peak learning rate.
        patch_size: side of the patches.
        batch_size: patches a step.
        wrap: how the network is run afterwards (test-time augmentation and the like).

    Returns:
        "" the network's output, "fused" the posterior fusion with the measured noise; (C, *S) in the case's units.
    """
    torch.manual_seed(seed)
    noisy = case.volume.image.as_tensor()
    noisy = noisy if noisy.dim() == 4 else noisy[..., None]
    scalings = [robust_scaling(channel) for channel in noisy]
    volumes = [{"image": noisy[c : c + 1], "scaling": scaling} for c, scaling in enumerate(scalings)]
    network = make_network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average, loss = WeightAverage(network), WeightedLoss()
    optimizer = Muon(network.parameters(), lr=rate, weight_decay=1e-5)
    draw: Any = RandPaird(pairing, part="all", patch_size=patch_size)
    if after is not None:
        from monai.transforms import Compose

        draw = Compose([draw, after])
    pairs = pair_loader(PairDataset(volumes, draw, seed), batch_size, 10**6)
    with stage("training"):
        for pair in timed_batches(pairs, seconds, optimizer, rate):
            image = pair["image"].contiguous(memory_format=torch.channels_last)
            value = loss(network(image), pair)
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            average.update()
    run = average.network if wrap is None else wrap(average.network)
    with stage("inference"):
        plain = VolumeSliceInferer(pairing, batch_size=4).denoise(noisy, run, scalings)
    shape = case.volume.image.shape
    return {"": plain.reshape(shape), "fused": _fused(noisy, plain, pairing.axis).reshape(shape)}


def _fused(noisy: torch.Tensor, plain: torch.Tensor, axis: int) -> torch.Tensor:
    """Posterior fusion of each channel, with the noise that was measured in it."""
    fused = []
    for y, c in zip(noisy, plain, strict=True):
        noise = measure_noise(y[None], axis)
        variance = torch.from_numpy(noise.sigma_at(c.numpy()) ** 2).to(c.dtype)
        fused.append(posterior_fusion(y, c, variance)[0])
    return torch.stack(fused)

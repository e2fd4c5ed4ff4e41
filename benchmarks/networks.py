# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which of MONAI's encoder-decoders serves NS-N2N best in the same time.

    python -m benchmarks.networks --data ../shared/data --seconds 40

Every candidate is residual with a zero last layer and is trained with the same pairs, loss, optimizer and schedule for
the same time, on the central 96 x 96 x 40 voxels of the ICBM152 template with Gaussian noise of 0.1. The clean
template is used for the score alone. The learning rate is each candidate's better one of two.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from monai.networks.nets import BasicUNet, DynUNet, SegResNet, UNet
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.data import pair_loader
from monai_diffdenoise.data.pair_dataset import PairDataset
from monai_diffdenoise.engines import WeightAverage
from monai_diffdenoise.inferers import SymmetricPairInferer, VolumeSliceInferer
from monai_diffdenoise.losses import NeighborSliceLoss
from monai_diffdenoise.metrics import bias, psnr
from monai_diffdenoise.transforms import MatchedRegionWeight
from monai_diffdenoise.transforms.pairing import NeighborSlicePair
from monai_diffdenoise.transforms.pairs import RandPaird
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["main"]

_SIGMA = 0.1


class Residual(nn.Module):
    """``image + body(image)`` with the body's last convolution at zero; pads to a multiple of 16."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        last = [m for m in body.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))][-1]
        if isinstance(body, BasicUNet):
            last = body.final_conv
        if isinstance(body, DynUNet):
            last = body.output_block.conv.conv
        for parameter in (last.weight, last.bias):
            if parameter is not None:
                nn.init.zeros_(parameter)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[2:]
        padded = F.pad(image, (0, -width % 16, 0, -height % 16), mode="replicate")
        return image + self.body(padded)[..., :height, :width]


def _segresnet(channels: int, levels: int) -> nn.Module:
    return SegResNet(
        2,
        channels,
        1,
        1,
        blocks_down=(1,) * levels,
        blocks_up=(1,) * (levels - 1),
        norm=("GROUP", {"num_groups": 4}),
        upsample_mode="nontrainable",
    )


def _unet(channels: int, units: int) -> nn.Module:
    return UNet(
        2, 1, 1, (channels, 2 * channels, 4 * channels), (2, 2), num_res_units=units, norm=None, act="LeakyReLU"
    )


def _basic(channels: int) -> nn.Module:
    features = (channels, channels, 2 * channels, 4 * channels, 8 * channels, channels)
    return BasicUNet(2, 1, 1, features, norm=("group", {"num_groups": 4}))


def _dynunet(channels: int) -> nn.Module:
    return DynUNet(2, 1, 1, [3, 3, 3], [1, 2, 2], [2, 2], [channels, 2 * channels, 4 * channels])


def _plain(channels: int, layers: int) -> nn.Module:
    widths = [1] + [channels] * (layers - 1) + [1]
    body: list[nn.Module] = []
    for a, b in zip(widths, widths[1:], strict=False):
        body += [nn.Conv2d(a, b, 3, padding=1), nn.LeakyReLU(0.1)]
    return nn.Sequential(*body[:-1])


CANDIDATES: dict[str, Callable[[], nn.Module]] = {
    "SegResNet 8, 4 levels (ours)": lambda: _segresnet(8, 4),
    "SegResNet 8, 3 levels": lambda: _segresnet(8, 3),
    "SegResNet 16, 3 levels": lambda: _segresnet(16, 3),
    "UNet 16, no residual units": lambda: _unet(16, 0),
    "UNet 16, 2 residual units": lambda: _unet(16, 2),
    "BasicUNet 8": lambda: _basic(8),
    "DynUNet 16": lambda: _dynunet(16),
    "plain CNN 32, 5 layers": lambda: _plain(32, 5),
}


def icbm_crop(data: Path) -> torch.Tensor:
    """The central 96 x 96 x 40 voxels of the template, divided by its maximum."""
    volume = nib.load(data / "B_clean_icbm152_t1_uint8.nii.gz").get_fdata()
    corner = [(side - size) // 2 for side, size in zip(volume.shape, (96, 96, 40), strict=True)]
    x, y, z = corner
    return torch.from_numpy(volume[x : x + 96, y : y + 96, z : z + 40] / volume.max()).float()


def train(
    build: Callable[[], nn.Module], noisy: torch.Tensor, weight: torch.Tensor, seconds: float, rate: float
) -> tuple[torch.Tensor, int]:
    """Train one candidate for so long; returns the denoised volume and the number of steps."""
    torch.manual_seed(0)
    network = Residual(build()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pairing, loss, ask = NeighborSlicePair(), NeighborSliceLoss(), SymmetricPairInferer()
    average = WeightAverage(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-5)
    supply = PairDataset([{"image": noisy[None], "weight": weight}], RandPaird(pairing, part="all"))
    start, steps = time.perf_counter(), 0
    for pair in pair_loader(supply, 8, 10**6):
        share = (time.perf_counter() - start) / seconds
        if share >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate * min((steps + 1) / 50, 1.0) * 0.5 * (1 + math.cos(math.pi * share))
        pair = {name: value.contiguous(memory_format=torch.channels_last) for name, value in pair.items()}
        value = loss(ask(pair["image"], network, pair=pair), pair)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update()
        steps += 1
    inferer = VolumeSliceInferer(pairing)
    return noisy + inferer.residual(noisy[None], average.network, [AffineScaling(0.0, 1.0)])[0], steps


def main() -> None:
    """Print one Markdown row a candidate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the class B volumes")
    parser.add_argument("--seconds", type=float, default=40.0, help="training time of each candidate")
    parser.add_argument("--only", default="", help="part of the names to run")
    options = parser.parse_args()
    torch.set_num_threads(2)
    clean = icbm_crop(options.data)
    noisy = clean + _SIGMA * torch.from_numpy(np.random.default_rng(0).standard_normal(clean.shape)).float()
    mask = clean > 0.15
    weight = MatchedRegionWeight(sigma=_SIGMA)(noisy[None])
    print(f"noisy {psnr(noisy[None], clean[None], 1.0, mask[None]):.2f} dB, {options.seconds:g} s each, 2 threads")
    print("| network | parameters | steps | PSNR, dB | bias |\n|---|---|---|---|---|")
    for name, build in CANDIDATES.items():
        if options.only not in name:
            continue
        tries = [train(build, noisy, weight, options.seconds, rate) for rate in (2e-3, 4e-3)]
        scored = [(psnr(out[None], clean[None], 1.0, mask[None]), out, steps) for out, steps in tries]
        best, out, steps = max(scored, key=lambda row: row[0])
        size = sum(p.numel() for p in build().parameters())
        print(
            f"| {name} | {size} | {steps} | {best:.2f} | {bias(out[None], clean[None], 1.0, mask[None]):+.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Losses of deepinv for one noisy image, with a small version of its UNet and the optimizer of its examples."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.quality.cost import stage
from benchmarks.quality.workers.exchange import serve
from benchmarks.quality.workers.standin import stand_in

__all__ = ["denoise"]

_PATCH, _BATCH = 48, 8


def denoise(
    image: np.ndarray, slice_axis: int, sigma: float, seed: int, seconds: float, loss: str
) -> dict[str, np.ndarray]:
    """Train on patches of the slices, then denoise them.

    Args:
        image: (C, X, Y, Z).
        slice_axis: spatial axis of the slices.
        sigma: of the noise, in units of the image; R2R is told it.
        seed: of weights and patches.
        seconds: CPU seconds of the training.
        loss: "r2r" or "neighbor".
    """
    import deepinv as dinv

    torch.manual_seed(seed)
    planes = np.moveaxis(image, 1 + slice_axis, 1)
    low, scale = float(planes.min()), float(np.ptp(planes))
    slices = torch.from_numpy((planes - low) / scale).float().flatten(0, 1)[:, None]
    network = dinv.models.UNet(1, 1, channels_per_scale=[16, 32, 64])
    physics = dinv.physics.Denoising(dinv.physics.GaussianNoise(sigma / scale))
    if loss == "r2r":
        score: Any = dinv.loss.R2RLoss()
        model = score.adapt_model(network)
    else:
        score, model = dinv.loss.Neighbor2Neighbor(), network
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, weight_decay=1e-8)
    height, width = (min(_PATCH, size // 8 * 8) for size in slices.shape[2:])
    start = time.process_time()
    model.train()
    with stage("training"):
        while (share := (time.process_time() - start) / seconds) < 1:
            # a tenth of the rate for the last fifth, as in its examples
            optimizer.param_groups[0]["lr"] = 5e-4 if share < 0.8 else 5e-5
            y = _patches(slices, height, width)
            x = model(y, physics, update_parameters=True) if loss == "r2r" else None
            optimizer.zero_grad()
            score(x_net=x, y=y, physics=physics, model=model).mean().backward()
            optimizer.step()
    model.eval()
    with stage("inference"), torch.no_grad():
        pads = (0, -slices.shape[3] % 8, 0, -slices.shape[2] % 8)
        padded = F.pad(slices, pads, mode="replicate")
        output = torch.cat([model(one[None], physics) for one in padded])
    output = output[:, 0, : slices.shape[2], : slices.shape[3]].reshape(planes.shape) * scale + low
    return {"": np.moveaxis(output.numpy(), 1, 1 + slice_axis)}


def _patches(slices: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Random patches, (B, 1, height, width)."""
    found = []
    for index in torch.randint(len(slices), (_BATCH,)):
        top = int(torch.randint(slices.shape[2] - height + 1, ()))
        left = int(torch.randint(slices.shape[3] - width + 1, ()))
        found.append(slices[index, :, top : top + height, left : left + width])
    return torch.stack(found)


if __name__ == "__main__":
    stand_in()
    import deepinv  # noqa: F401 - its start is no part of the run

    torch.set_num_threads(1)
    serve(denoise, ["deepinv", "torch"])

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Gate: did the mean move, in any class of brightness?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from monai_diffdenoise.metrics.drift import block_mean
from monai_diffdenoise.metrics.gates.gate import Gate, NoiseLevel, box, gate

__all__ = ["ClassDrift", "class_drifts", "mean_drift_gate"]

_THRESHOLD = 0.25
_SIDE = 4
_TILE = 4
_CERTAIN = 4.0
_FEWEST = 64
_CLASSES = 4


@dataclass(frozen=True)
class ClassDrift:
    """What denoising did to the mean of a class of brightness.

    Args:
        low: lower limit of the class, in units of the image.
        high: upper limit.
        share: of the voxels.
        brightness: mean of the noisy image in it.
        drift: mean of denoised minus noisy.
        error: standard error of the drift.
        sigma: expected noise standard deviation in it.
    """

    low: float
    high: float
    share: float
    brightness: float
    drift: float
    error: float
    sigma: float


def class_drifts(
    noisy: torch.Tensor, denoised: torch.Tensor, noise: NoiseLevel, count: int = _CLASSES
) -> list[ClassDrift]:
    """Drift of the mean in classes of brightness, which stand for tissues.

    Args:
        noisy: slices (N, H, W).
        denoised: same shape.
        noise: its level.
        count: how many classes.

    Returns:
        one entry a class that holds enough voxels, the darkest first.
    """
    bright, before = box(denoised, _SIDE, _SIDE), box(noisy, _SIDE, _SIDE)
    limits = _limits(bright.flatten(), count)
    place = torch.bucketize(bright, limits[1:-1].contiguous())
    found = []
    for index in range(len(limits) - 1):
        here = place == index
        if int(here.sum()) < _FEWEST:
            continue
        number, moved = block_mean(_tiles(here), _tiles(torch.where(here, bright - before, 0.0)))
        level = float(before[here].double().mean())
        sigma = float(noise.deviation(torch.tensor([level])))
        low, high = float(limits[index]), float(limits[index + 1])
        found.append(ClassDrift(low, high, number / here.numel(), level, moved.value, moved.standard_error, sigma))
    return found


def mean_drift_gate(noisy: torch.Tensor, denoised: torch.Tensor, noise: NoiseLevel) -> Gate:
    """Whether the mean of any class of brightness moved, in standard deviations of the noise.

    Noise has mean 0, so its removal moves no mean. Dark magnitudes are left out: their noise has not.

    Args:
        noisy: slices (N, H, W).
        denoised: same shape.
        noise: its level.
    """
    worst, text = 0.0, "no class of brightness is large enough to look at"
    for part in class_drifts(noisy, denoised, noise):
        if noise.magnitude and part.brightness < 3 * noise.sigma:
            continue
        value = abs(part.drift) / part.sigma if abs(part.drift) > _CERTAIN * part.error else 0.0
        if value >= worst:
            worst = value
            text = (
                f"the mean of the class around {part.brightness:.4g} moved by {part.drift:+.3g} "
                f"(+- {part.error:.2g}), noise is {part.sigma:.3g} there"
            )
    return gate("mean drift", worst, _THRESHOLD, text)


def _tiles(field: torch.Tensor) -> torch.Tensor:
    """Sums over tiles of 4 x 4 blocks, so that correlated noise does not make the error of a mean too small."""
    tall, wide = field.shape[1:]
    whole = F.pad(field.double(), (0, -wide % _TILE, 0, -tall % _TILE))
    return _TILE**2 * F.avg_pool2d(whole[:, None], _TILE).flatten()


def _limits(values: torch.Tensor, count: int) -> torch.Tensor:
    """Limits (count + 1,) of classes that are compact: k-means in one dimension, from evenly spaced centers."""
    ordered = values[:: 1 + len(values) // 200_000].double().sort().values
    low, high = ordered[round(0.005 * (len(ordered) - 1))], ordered[round(0.995 * (len(ordered) - 1))]
    inner = ordered.clamp(low, high)
    centers = low + (high - low) * (torch.arange(count, dtype=torch.float64) + 0.5) / count
    for _ in range(50):
        cuts = torch.searchsorted(inner, (centers[1:] + centers[:-1]) / 2)
        parts = torch.tensor_split(inner, cuts)
        moved = torch.stack([p.mean() if len(p) else c for p, c in zip(parts, centers, strict=True)])
        if torch.equal(moved, centers):
            break
        centers = moved
    middle = (centers[1:] + centers[:-1]) / 2
    return torch.cat([ordered[:1], middle, ordered[-1:]]).to(values.dtype)

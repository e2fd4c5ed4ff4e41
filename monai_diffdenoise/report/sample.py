# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What the checks and the report look at: slices in memory, all of a volume or evenly spread ones, and its noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from monai_diffdenoise.analysis import NoiseFamily
from monai_diffdenoise.data.storage import drop_pages, largest_in_memory
from monai_diffdenoise.metrics.gates import NoiseLevel, as_slices

__all__ = ["noise_level", "sample_voxels", "slice_sample"]

# Half of 256 x 256 x 128: looked at in seconds. Where little memory is allowed, a run's worth of slices at least: what
# the checks make of a sample takes some fifty times its numbers.
_VOXELS, _FEWEST = 1 << 22, 1 << 17
_BYTES = 200
_MAGNITUDES = ("rician", "noncentral-chi")


def noise_level(noise: Mapping[str, Any] | None, sigma: float | None = None) -> NoiseLevel | None:
    """What a plan knows of the noise, as the gates ask for it; None where its level is not known.

    Args:
        noise: ``Plan.noise``; None for white noise of level ``sigma``.
        sigma: ``Plan.sigma``.
    """
    if noise is None:
        return NoiseLevel(sigma) if sigma is not None and sigma > 0 else None
    level = float(sigma or noise["sigma"])
    if not level > 0:
        return None
    family, plane = noise["family"], noise["in_plane"]
    law = NoiseFamily(**family)

    def at(brightness: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(law.variance(brightness)).sqrt()

    return NoiseLevel(
        level,
        None if family["name"] == "gaussian" else at,
        None if plane["white"] else torch.tensor(plane["autocorrelation"]),
        family["name"] in _MAGNITUDES,
        bool(noise["certain"]),
    )


def sample_voxels() -> int:
    """How many voxels the memory allowed is good for; ask once for images that are compared: memory comes and goes."""
    return int(min(max(largest_in_memory() / _BYTES, _FEWEST), _VOXELS))


def slice_sample(image: torch.Tensor, slice_axis: int, voxels: int) -> torch.Tensor:
    """Slices (N, H, W) of an image (C, *S), in memory: all of them, or of a large one evenly spread ones.

    Args:
        image: wherever it lies.
        slice_axis: spatial axis of the slices.
        voxels: about how many are taken, :func:`sample_voxels` or fewer.
    """
    plain = image.as_subclass(torch.Tensor)
    stack = plain[:, None] if plain.dim() == 3 else plain.movedim(1 + slice_axis % 3, 1)
    total = stack.shape[0] * stack.shape[1]
    wanted = min(total, max(voxels // max(stack[0, 0].numel(), 1), 1))
    if wanted == total:
        return as_slices(plain, slice_axis).contiguous()
    chosen = torch.linspace(0, total - 1, wanted).round().long().tolist()
    sample = torch.stack([stack[index // stack.shape[1], index % stack.shape[1]].float() for index in chosen])
    drop_pages()
    return sample

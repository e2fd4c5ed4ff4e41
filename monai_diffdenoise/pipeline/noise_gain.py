# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How much of a voxel's own noise a trained network lets through."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from monai_diffdenoise.metrics.probe import probe_response
from monai_diffdenoise.transforms.block_noise import foreground_threshold

if TYPE_CHECKING:
    from monai_diffdenoise.pipeline.zero_shot import ZeroShot

__all__ = ["middle_part", "noise_gain"]

# Next slices, and pixels along each side of them, that are denoised once more: a few seconds on two cores.
_SLICES, _SIDE = 12, 256
_SEES_ITSELF = ("neighbor", "repeat")


def noise_gain(job: ZeroShot, network: nn.Module) -> float:
    r"""Share g of the noise of the input that is in the network's output, before fusion, 0 to 1.

    The residual of an estimate that keeps a share of the noise is smaller than what the estimate is off: fusion has to
    put back :math:`1 - (1 - g)\,\sigma^2 / \overline{r^2}` of it. White noise probes it; noise that is correlated
    comes through more, so there g is too small rather than too large.

    Args:
        job: the run.
        network: trained.

    Returns:
        0 for networks that are blind to the voxel they estimate, and where no noise was measured.
    """
    channel = job.image.shape[0] // 2
    sigma = job.noise.sigma(channel)
    if job.plan.pairing not in _SEES_ITSELF or not job.settings.fusion or not sigma > 0:
        return 0.0
    bare = copy.copy(job)
    bare.settings = replace(job.settings, fusion=False)
    part = middle_part(job)
    noisy = job.scalings[channel].apply(job.work[channel : channel + 1][part]).contiguous()
    denoise = bare.on_part(network, channel, part)
    denoised = denoise(noisy)
    probe = probe_response(noisy, denoise, sigma, denoised=denoised)
    inside = denoised > foreground_threshold(denoised[0].movedim(job.plan.axis, 0))
    inside = inside if bool(inside.any()) else torch.ones_like(inside)
    energy = float(probe.noise[inside].double().square().sum())
    return min(max(float((probe.noise * probe.response)[inside].double().sum()) / energy, 0.0), 1.0)


def middle_part(job: ZeroShot) -> tuple[slice, ...]:
    """Index of some slices in the middle of an image (1, X, Y, Z)."""
    index = [slice(None)]
    for axis, side in enumerate(job.image.shape[1:]):
        most = min(_SLICES * job.plan.distance if axis == job.plan.axis else _SIDE, side)
        start = (side - most) // 2
        index.append(slice(start, start + most))
    return tuple(index)

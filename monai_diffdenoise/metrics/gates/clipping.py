# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Gate: were values cut off at the ends of the range?"""

from __future__ import annotations

import torch

from monai_diffdenoise.metrics.gates.gate import Gate, NoiseLevel, gate

__all__ = ["clipping_gate"]

# A share of the voxels.
_THRESHOLD = 1e-3
_FAR = 1.0


def clipping_gate(noisy: torch.Tensor, denoised: torch.Tensor, noise: NoiseLevel) -> Gate:
    """Share of the voxels that lie at an end of the denoised image's range, with the noisy ones beyond it.

    Voxels at an end of the noisy image as well, such as masked air, do not count, and neither does the 0 of magnitudes
    unless the noisy value is far from it.

    Args:
        noisy: slices (N, H, W).
        denoised: same shape.
        noise: its level.
    """
    low, high = denoised.min(), denoised.max()
    floor = _FAR * noise.sigma
    if noise.magnitude and abs(float(low)) <= noise.sigma:
        floor = 4 * noise.sigma
    beyond = {
        "upper": (denoised == high) & (noisy > high + _FAR * noise.sigma) & (noisy < noisy.max()),
        "lower": (denoised == low) & (noisy < low - floor) & (noisy > noisy.min()),
    }
    shares = {name: float(found.float().mean()) for name, found in beyond.items()}
    end = max(shares, key=lambda name: shares[name])
    text = (
        f"{shares[end]:.2%} of the voxels were cut off at the {end} end of the range"
        if shares[end] > 0
        else "no value was cut off at an end of the range"
    )
    return gate("clipping", shares[end], _THRESHOLD, text)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Posterior fusion: give back to the estimate what was removed beyond the noise."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError

__all__ = ["local_noise_variance", "posterior_fusion"]


def _box(volume: torch.Tensor, window: int) -> torch.Tensor:
    """Mean over a cube of odd side, no wider than the volume, of the part of it that lies inside; (X, Y, Z)."""
    if window < 1 or window % 2 == 0:
        raise InputError(f"got a window of {window} voxels; expected an odd number")
    for axis in range(3):
        # axis by axis: the same mean, forty times faster for a side of 15
        size, side = [1, 1, 1], volume.shape[axis]
        size[axis] = min(window, side if side % 2 else side - 1)
        padding = [side // 2 for side in size]
        volume = F.avg_pool3d(volume[None, None], size, 1, padding, count_include_pad=False)[0, 0]
    return volume


def local_noise_variance(
    volume: torch.Tensor,
    weight: torch.Tensor,
    sigma: float,
    axis: int = -1,
    distance: int = 1,
    window: int = 15,
    prior: float = 0.1,
) -> torch.Tensor:
    r"""Noise variance at each voxel, from the differences of matched neighboring slices.

    .. math:: \hat\sigma^2 = \frac{\overline{W (y_{i+d} - y_i)^2 / 2} + p\,\sigma^2}{\overline{W} + p}

    with means over a cube; the volume's own sigma stands in where little is matched.

    Args:
        volume: noisy (X, Y, Z).
        weight: matched-region weight (X, Y, Z) of the pairs (i, i + d); its last ``distance`` slices are 0.
        sigma: noise standard deviation of the whole volume, in the volume's units.
        axis: slice axis.
        distance: slices from one to its partner.
        window: side of the cube.
        prior: weight p of the volume's own variance.

    Returns:
        (X, Y, Z), in squared units of the volume.
    """
    slices, matched = volume.movedim(axis, 0), weight.movedim(axis, 0)
    count = max(slices.shape[0] - distance, 0)
    energy, share = torch.zeros_like(slices), torch.zeros_like(slices)
    difference = matched[:count] * (slices[distance:] - slices[:count]).square() / 2
    # a pair tells as much of its second slice as of its first
    for start in (0, distance):
        energy[start : start + count] += difference
        share[start : start + count] += matched[:count]
    variance = (_box(energy, window) + prior * sigma**2) / (_box(share, window) + prior)
    return variance.movedim(0, axis)


def posterior_fusion(
    noisy: torch.Tensor,
    denoised: torch.Tensor,
    noise_variance: torch.Tensor | float,
    window: int = 5,
    margin: float = 1.25,
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Combine noisy and denoised volume by how well the residual is explained by noise.

    .. math:: \hat x = c + a (y - c), \qquad a = \max\left(0, 1 - m\,\sigma^2 / \overline{(y - c)^2}\right)

    With m = 1 this is the posterior mean for an error of c that is independent of the noise at the voxel. An estimate
    that has seen its own voxel errs less than that, and the local mean of N squares scatters by sqrt(2 / N), so a
    margin above 1 keeps noise from being let back in; where structure was lost, the mean is far above it.

    Args:
        noisy: y, (X, Y, Z).
        denoised: c, (X, Y, Z).
        noise_variance: of y, a number or (X, Y, Z).
        window: side of the cube of the local mean.
        margin: m.

    Returns:
        the fused volume and a, both (X, Y, Z). Where c equals y, so does the result.
    """
    if noisy.shape != denoised.shape or noisy.dim() != 3:
        raise InputError(
            f"got shapes {tuple(noisy.shape)} and {tuple(denoised.shape)}; expected two equal ones (X, Y, Z)"
        )
    removed = noisy - denoised
    energy = _box(removed.square(), window)
    share = (1 - margin * noise_variance / energy.clamp_min(torch.finfo(energy.dtype).tiny)).clamp(0, 1)
    return denoised + share * removed, share

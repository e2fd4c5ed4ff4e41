# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Mean and variance of the Rician and of the noncentral chi distribution, exact at any signal-to-noise ratio.

The mean is a confluent hypergeometric function, which torch does not have. With s = x / sigma, z = s^2 / 2 and n coils,

    E[M] / sigma = sqrt(2 / pi) * integral over t from 0 to pi/2 of (1 - cos(t)^(2n) exp(-z sin(t)^2)) / sin(t)^2.

The integrand is smooth, even and has period pi, so the trapezoidal rule with K steps is exact up to about
exp(-4 K^2 / (n + z)). Where z is large, the asymptotic series in 1/z is exact, too, and gives the variance without the
difference of two large numbers.
"""

from __future__ import annotations

import math

import torch

__all__ = ["chi_mean", "chi_variance"]

# Voxels at a time, few enough to stay in the cache.
_PART = 2**14


def chi_mean(signal: torch.Tensor, sigma: torch.Tensor, coils: int = 1) -> torch.Tensor:
    """Mean of sqrt(sum over 2 n Gaussian parts squared).

    Args:
        signal: root sum of squares without noise, any shape; its sign does not matter.
        sigma: standard deviation of every part, at least 0, of a shape that broadcasts with it.
        coils: n, each of two parts, at least 1.

    Returns:
        float64 of the common shape.
    """
    return _moments(signal, sigma, coils)[0]


def chi_variance(signal: torch.Tensor, sigma: torch.Tensor, coils: int = 1) -> torch.Tensor:
    """Variance; arguments and result as for :func:`chi_mean`."""
    return _moments(signal, sigma, coils)[1]


def _moments(signal: torch.Tensor, sigma: torch.Tensor, coils: int) -> tuple[torch.Tensor, torch.Tensor]:
    signal, sigma = torch.broadcast_tensors(signal.double().abs(), sigma.double())
    noisy = sigma > 0
    ratio = signal / torch.where(noisy, sigma, torch.ones_like(sigma))
    z = ratio.square() / 2
    far = z > 50.0 * coils + 400.0
    mean, variance = torch.empty_like(z), torch.empty_like(z)
    near_mean = torch.cat([_mean_by_integral(part, coils) for part in z[~far].split(_PART)])
    mean[~far] = near_mean
    variance[~far] = 2.0 * z[~far] + 2.0 * coils - near_mean.square()
    excess = _relative_excess(z[far], coils)
    mean[far] = ratio[far] * (1.0 + excess)
    variance[far] = 2.0 * coils - 2.0 * z[far] * excess * (2.0 + excess)
    return torch.where(noisy, sigma * mean, signal), sigma.square() * variance


def _mean_by_integral(z: torch.Tensor, coils: int) -> torch.Tensor:
    """E[M] / sigma for z up to some thousand."""
    if not len(z):
        return z
    finite = z[torch.isfinite(z)]
    largest = float(finite.max()) if len(finite) else 0.0
    steps = 8 + math.ceil(3.0 * math.sqrt(largest + coils))
    # The ends of the integral count half: n + z at 0, 1 at pi/2.
    total = 0.5 * (coils + z) + 0.5
    for step in range(1, steps):
        angle = math.pi / 2 * step / steps
        square = math.sin(angle) ** 2
        total -= z.mul(-square).add_(2.0 * coils * math.log(math.cos(angle))).expm1_().div_(square)
    return math.sqrt(2.0 / math.pi) * (math.pi / 2 / steps) * total


def _relative_excess(z: torch.Tensor, coils: int) -> torch.Tensor:
    """E[M] / x - 1 for large z: the sum over k > 0 of (-1/2)_k (1/2 - n)_k / k! z^-k."""
    total, term = torch.zeros_like(z), torch.ones_like(z)
    for k in range(16):
        term = term * ((k - 0.5) * (k + 0.5 - coils) / (k + 1)) / z
        total += term
    return total

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Gate: is there something in the denoised image, at empty places, that the noisy one does not have?"""

from __future__ import annotations

import math

import torch

from monai_diffdenoise.metrics.gates.gate import Gate, NoiseLevel, box, gate

__all__ = ["created_energy", "created_gate"]

# In standard errors beyond what chance makes of the worst of so many windows (docs/trust.md).
_BEYOND, _WARN = 1.0, 0.9
_SIDES = (8, 16)
# A place is empty if the noisy image varies there no more than noise does, give or take what chance and the law leave.
_EMPTY = 1.7
_LEAST = 0.15
_FEWEST = 1000
# Darker magnitudes do not show the truth, so that what is rightly in f is not in y.
_DARK = 3.0


def created_energy(noisy: torch.Tensor, denoised: torch.Tensor, noise: NoiseLevel, side: int = 8) -> torch.Tensor:
    r"""How surely something was created in each window, in standard errors.

    The noisy image is the truth plus noise that knows nothing of f, so :math:`\langle f, f - y \rangle` is 0 for what
    f shows rightly, below 0 for noise that stayed and for weakened detail, and above 0 for what is in f alone.

    Args:
        noisy: slices (N, H, W), y.
        denoised: same shape, f.
        noise: its level and correlation.
        side: of the windows, which lie half a side apart.

    Returns:
        (N, h, w); 0 where the place is not empty, or less than 0.15 standard deviations of the noise were created.
    """
    return _looked_at(noisy, denoised, noise, side)[0]


def _looked_at(noisy: torch.Tensor, denoised: torch.Tensor, noise: NoiseLevel, side: int) -> tuple[torch.Tensor, int]:
    """See :func:`created_energy`; and how many windows could have shown something."""
    middle = box(denoised, 2 * side + 1)
    y, f = noisy - middle, denoised - middle
    mean_y, mean_f = box(y, side, side // 2), box(f, side, side // 2)
    var_y = box(y.square(), side, side // 2) - mean_y.square()
    var_f = (box(f.square(), side, side // 2) - mean_f.square()).clamp_min(0.0)
    created = var_f - (box(y * f, side, side // 2) - mean_y * mean_f)
    bright = box(denoised, side, side // 2)
    sigma = noise.deviation(bright)
    empty = (var_y < _EMPTY * sigma.square()) & (var_y > sigma.square() / _EMPTY**2)
    if noise.magnitude:
        empty &= bright > _DARK * noise.sigma
    relative = created / (sigma * var_f.sqrt()).clamp_min(1e-30)
    known = relative[empty]
    if not len(known):
        return torch.zeros_like(created), 0
    # by the noise's correlation, or by how it spreads from window to window, if that is more
    known = known[:: 1 + len(known) // 500_000]
    spread = 1.4826 * float((known - known.median()).abs().median())
    error = max((noise.spread / side**2) ** 0.5, spread)
    least = (_LEAST * sigma).square()
    return torch.where(empty & (created > least), relative / error, 0.0), int((empty & (var_f > least)).sum())


def created_gate(noisy: torch.Tensor, denoised: torch.Tensor, noise: NoiseLevel) -> Gate:
    """Whether the denoised image shows something where the noisy one is empty.

    Args:
        noisy: slices (N, H, W).
        denoised: same shape.
        noise: its level and correlation.
    """
    worst, text = 0.0, "at empty places, nothing is in the denoised image that the noisy one does not have"
    looks = [_looked_at(noisy, denoised, noise, side) for side in _SIDES]
    windows = max(sum(count for _, count in looks), _FEWEST)
    threshold = math.sqrt(2 * math.log(windows)) + _BEYOND
    for side, (found, _) in zip(_SIDES, looks, strict=True):
        if not found.numel() or float(found.max()) <= max(worst, _WARN * threshold):
            worst = max(worst, float(found.max()) if found.numel() else 0.0)
            continue
        worst = float(found.max())
        number, row, column = (int(i) for i in torch.unravel_index(found.argmax(), found.shape))
        text = (
            f"at an empty place (slice {number}, around pixel {(row + 1) * side // 2}, {(column + 1) * side // 2}) the "
            f"denoised image shows something that the noisy one does not, by {worst:.1f} standard errors"
        )
    return gate("created", worst, threshold, text, certain=noise.certain, warn=_WARN)

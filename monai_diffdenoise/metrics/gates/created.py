# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Gate: is there something in the denoised image, at empty places, that the noisy one does not have?"""

from __future__ import annotations

import torch

from monai_diffdenoise.metrics.gates.gate import Gate, NoiseLevel, box, gate

__all__ = ["created_energy", "created_gate"]

# In standard errors. Noise that stayed pulls them down: good results reach 2 (docs/trust.md).
_THRESHOLD, _WARN = 5.0, 0.75
_SIDES = (8, 16)
# A place is empty if the noisy image varies there no more than noise does, give or take what chance and the law leave.
_EMPTY = 1.7
_LEAST = 0.15


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
    middle = box(denoised, 2 * side + 1)
    y, f = noisy - middle, denoised - middle
    mean_y, mean_f = box(y, side, side // 2), box(f, side, side // 2)
    var_y = box(y.square(), side, side // 2) - mean_y.square()
    var_f = (box(f.square(), side, side // 2) - mean_f.square()).clamp_min(0.0)
    created = var_f - (box(y * f, side, side // 2) - mean_y * mean_f)
    sigma = noise.deviation(box(denoised, side, side // 2))
    empty = (var_y < _EMPTY * sigma.square()) & (var_y > sigma.square() / _EMPTY**2)
    relative = created / (sigma * var_f.sqrt()).clamp_min(1e-30)
    known = relative[empty]
    if not len(known):
        return torch.zeros_like(created)
    # by the noise's correlation, or by how it spreads from window to window, if that is more
    known = known[:: 1 + len(known) // 500_000]
    spread = 1.4826 * float((known - known.median()).abs().median())
    error = max((noise.spread / side**2) ** 0.5, spread)
    found = empty & (created > (_LEAST * sigma).square())
    return torch.where(found, relative / error, 0.0)


def created_gate(noisy: torch.Tensor, denoised: torch.Tensor, noise: NoiseLevel) -> Gate:
    """Whether the denoised image shows something where the noisy one is empty.

    Args:
        noisy: slices (N, H, W).
        denoised: same shape.
        noise: its level and correlation.
    """
    worst, text = 0.0, "at empty places, nothing is in the denoised image that the noisy one does not have"
    for side in _SIDES:
        found = created_energy(noisy, denoised, noise, side)
        if not found.numel() or float(found.max()) <= max(worst, _WARN * _THRESHOLD):
            worst = max(worst, float(found.max()) if found.numel() else 0.0)
            continue
        worst = float(found.max())
        number, row, column = (int(i) for i in torch.unravel_index(found.argmax(), found.shape))
        text = (
            f"at an empty place (slice {number}, around pixel {(row + 1) * side // 2}, {(column + 1) * side // 2}) the "
            f"denoised image shows something that the noisy one does not, by {worst:.1f} standard errors"
        )
    return gate("created", worst, _THRESHOLD, text, certain=noise.certain, warn=_WARN)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Gate: do pixels of the residual know of each other more than those of the noise do?"""

from __future__ import annotations

import torch

from monai_diffdenoise.metrics.gates.gate import Gate, NoiseLevel, gate

__all__ = ["correlation_gate"]

_THRESHOLD = 0.2
_LAGS = (1, 2, 3, 8, 16)


def correlation_gate(noisy: torch.Tensor, denoised: torch.Tensor, noise: NoiseLevel) -> Gate:
    """Whether what was removed is correlated within slices, beyond the noise.

    Less correlation than that of the noise means that its coarse part stayed, which is no fault of this kind.

    Args:
        noisy: slices (N, H, W).
        denoised: same shape.
        noise: how it is correlated.
    """
    removed = noisy - denoised
    removed = removed - removed.mean()
    worst, text = 0.0, "what was removed is no more correlated than the noise"
    for axis in (1, 2):
        for lag in _LAGS:
            length = removed.shape[axis] - lag
            if length < lag:
                continue
            one, two = removed.narrow(axis, 0, length), removed.narrow(axis, lag, length)
            scale = float(one.double().square().sum() * two.double().square().sum()) ** 0.5
            if not scale > 0:
                continue
            found = float((one * two).sum(dtype=torch.float64)) / scale
            expected = noise.lag(lag, 0) if axis == 1 else noise.lag(0, lag)
            if found - max(expected, 0.0) > worst:
                worst = found - max(expected, 0.0)
                text = (
                    f"what was removed is correlated by {found:.2f} over {lag} pixels along axis {axis} of the slice, "
                    f"the noise by {expected:.2f}"
                )
    return gate("correlation removed", worst, _THRESHOLD, text, certain=noise.certain)

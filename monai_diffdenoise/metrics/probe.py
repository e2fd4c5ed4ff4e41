# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Ask a denoiser what it does with noise: run it once more, with a little more noise of the same kind."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.arrays import Array, as_tensor, same_shape
from monai_diffdenoise.metrics.blocks import variance_of

__all__ = ["Denoiser", "ProbeResponse", "probe_response", "run_denoiser"]

Denoiser = Callable[[Any], Any]
"""The whole way from a noisy image to its result, of the same shape: what it gets is of the type of the noisy image."""


@dataclass(frozen=True, eq=False)
class ProbeResponse:
    """What a denoiser f makes of a little more noise.

    Args:
        noise: p, a draw of noise as strong as that in the image, float, of the image's shape.
        response: (f(y + h p) - f(y)) / h, about J p with the Jacobian J of f at y.
    """

    noise: torch.Tensor
    response: torch.Tensor

    @property
    def left_out(self) -> torch.Tensor:
        """What the denoiser puts into the residual of noise like p: p - J p."""
        return self.noise - self.response


def run_denoiser(denoise: Denoiser, noisy: Array, change: torch.Tensor | None = None) -> torch.Tensor:
    """Denoise ``noisy + change`` and return a plain tensor in the computer's memory.

    Raises:
        InputError: the result has another shape.
    """
    image: Any = noisy
    if isinstance(noisy, np.ndarray):
        image = noisy if noisy.dtype.kind == "f" else noisy.astype(np.float32)
        if change is not None:
            image = image + change.numpy().astype(image.dtype)
    else:
        image = noisy if noisy.is_floating_point() else noisy.float()
        if change is not None:
            image = image + change.to(image.device, image.dtype)
    with torch.no_grad():
        result = as_tensor(denoise(image))
    if result.shape != noisy.shape:
        raise InputError(
            f"the denoiser turned shape {tuple(noisy.shape)} into {tuple(result.shape)}: expected the same"
        )
    return result


def probe_response(
    noisy: Array,
    denoise: Denoiser,
    sigma: float | torch.Tensor,
    *,
    denoised: Array | None = None,
    probe_noise: Array | None = None,
    h: float = 0.1,
    generator: torch.Generator | None = None,
) -> ProbeResponse:
    """Run a denoiser once more on the image with a little more noise.

    Args:
        noisy: y, any shape.
        denoise: f, the whole pipeline. It must give the same result for the same input: fix the seed of what it draws.
        sigma: standard deviation of the noise in y, in its units; a number, or a map that expands to the shape of y.
        denoised: f(y), if it is there already; else it is computed.
        probe_noise: a draw of noise correlated like that of y, of any strength; None draws white noise.
        h: strength of the probe as a share of the noise. Smaller is closer to the derivative, until the rounding of
            float32 shows; larger looks over kinks, such as those of medians and thresholds.
        generator: draws white noise; None takes one with seed 0.

    Returns:
        how the result changes with the noise, for :func:`~monai_diffdenoise.metrics.sure`.

    Raises:
        InputError: shapes differ, or a sigma, h or probe of 0.
    """
    if not (math.isfinite(h) and h > 0):
        raise InputError(f"got a probe of strength h={h}; expected a number above 0, about 0.1")
    values = as_tensor(noisy)
    if probe_noise is None:
        generator = generator if generator is not None else torch.Generator().manual_seed(0)
        draw = torch.randn(values.shape, generator=generator, device=generator.device).cpu()
    else:
        draw = same_shape(noisy, probe_noise)[1].float()
        strength = float(draw.double().square().mean().sqrt())
        draw = draw / strength if strength > 0 else draw
    noise = draw * variance_of(sigma, values.shape).sqrt().float()
    if not bool((noise != 0).any()):
        raise InputError("got a noise sigma or a probe of 0 everywhere; expected noise to probe with")
    before = run_denoiser(denoise, noisy) if denoised is None else same_shape(noisy, denoised)[1]
    after = run_denoiser(denoise, noisy, h * noise)
    return ProbeResponse(noise, (after - before) / h)

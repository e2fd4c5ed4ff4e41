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
from monai_diffdenoise.metrics.blocks import plane_stack, variance_of

__all__ = ["Denoiser", "ProbeResponse", "noise_like", "probe_response", "run_denoiser", "slice_noise_probe"]

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


def noise_like(sample: Array, generator: torch.Generator | None = None) -> torch.Tensor:
    """Draw Gaussian noise with the in-plane power spectrum of a sample.

    Args:
        sample: (C, slices, H, W) of something that is noise: differences of slices, a scan of nothing. The spectrum is
            the mean over channels and slices; slices are drawn independently of each other.
        generator: draws the noise; None takes one with seed 0.

    Returns:
        float32 of the shape of ``sample``, standard deviation 1.

    Raises:
        InputError: another number of axes, or a sample without noise.
    """
    values = as_tensor(sample)
    if values.dim() != 4:
        raise InputError(f"got a sample of shape {tuple(values.shape)}; expected (channels, slices, height, width)")
    generator = generator if generator is not None else torch.Generator().manual_seed(0)
    power = torch.zeros(values.shape[2:], dtype=torch.float64)
    for part in values.flatten(0, 1):
        power += torch.fft.fft2(part.double()).abs().square()
    if not bool(power.sum() > 0) or not bool(power.isfinite().all()):
        raise InputError("got a sample without noise, or with NaN in it; expected finite values that differ")
    gain = (power / power.mean()).sqrt()
    drawn = torch.empty(values.shape, dtype=torch.float32)
    for part in drawn.flatten(0, 1):
        white = torch.randn(part.shape, dtype=torch.float64, generator=generator, device=generator.device).cpu()
        part.copy_(torch.fft.ifft2(torch.fft.fft2(white) * gain).real)
    return drawn


def slice_noise_probe(
    noisy: Array,
    axis: int = -1,
    distance: int = 1,
    weight: Array | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    r"""Noise for a probe that is correlated in the plane as the volume's own is, from the differences of its slices.

    :math:`(y_{i+d} - y_i) / \sqrt 2` holds the noise of both slices and hardly any structure; its power spectrum is
    that of the noise if the noise of the slices is independent.

    Args:
        noisy: (C, X, Y, Z).
        axis: spatial axis along which the slices are stacked.
        distance: slices from one to its partner.
        weight: matched-region weight of the pairs (i, i + distance), of the shape of ``noisy`` or of one channel.
        generator: draws the noise; None takes one with seed 0.

    Returns:
        float32 of the shape of ``noisy``, standard deviation 1.

    Raises:
        InputError: another number of axes, too few slices, or slices without noise.
    """
    values = as_tensor(noisy)
    stack = plane_stack(values, axis)
    count = stack.shape[1] - distance
    if count < 1 or distance < 1:
        raise InputError(f"got {stack.shape[1]} slices and a distance of {distance}; expected at least one pair")
    sample = torch.zeros_like(stack)
    sample[:, :count] = stack[:, distance:] - stack[:, :count]
    if weight is not None:
        sample *= plane_stack(as_tensor(weight).expand(values.shape), axis)
    return noise_like(sample, generator).movedim(1, 1 + axis % 3)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults to plant into good results, each with the gate that is to see it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, uniform_filter

__all__ = ["FAULTS"]

Fault = Callable[[torch.Tensor, torch.Tensor, float, int], torch.Tensor]


def _planes(image: torch.Tensor, axis: int) -> np.ndarray:
    """(N, H, W) view of the slices of an image (C, *S)."""
    plain = image.numpy()
    return plain if plain.ndim == 3 else np.moveaxis(plain, 1 + axis, 1).reshape(-1, *np.delete(plain.shape[1:], axis))


def _image(planes: np.ndarray, like: torch.Tensor, axis: int) -> torch.Tensor:
    if like.dim() == 3:
        return torch.from_numpy(planes.astype(np.float32))
    stack = planes.reshape(like.shape[0], like.shape[1 + axis], *planes.shape[1:])
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(stack, 1, 1 + axis)).astype(np.float32))


def _smoothed(noisy: torch.Tensor, good: torch.Tensor, sigma: float, axis: int, width: float) -> torch.Tensor:
    """All edges get wider."""
    return _image(gaussian_filter(_planes(good, axis), (0, width, width)), good, axis)


def _pasted(noisy: torch.Tensor, good: torch.Tensor, sigma: float, axis: int, strength: float) -> torch.Tensor:
    """A bright disk of 9 pixels across appears where the denoised image is flattest, in one slice in the middle."""
    planes = _planes(good, axis).copy()
    number = len(planes) // 2
    plane, truth = planes[number], _planes(noisy, axis)[number]
    spread = uniform_filter(plane**2.0, 15) - uniform_filter(plane * 1.0, 15) ** 2
    varied = uniform_filter(truth**2.0, 15) - uniform_filter(truth * 1.0, 15) ** 2
    # not into masked air, which no noise hides
    spread[varied < 0.2 * sigma**2] = np.inf
    spread[:10], spread[-10:], spread[:, :10], spread[:, -10:] = np.inf, np.inf, np.inf, np.inf
    row, column = np.unravel_index(int(spread.argmin()), spread.shape)
    y, x = np.ogrid[: plane.shape[0], : plane.shape[1]]
    plane[(y - row) ** 2 + (x - column) ** 2 <= 4.5**2] += strength * sigma
    return _image(planes, good, axis)


def _shifted(noisy: torch.Tensor, good: torch.Tensor, sigma: float, axis: int, shift: float) -> torch.Tensor:
    return good + shift * sigma


def _scaled(noisy: torch.Tensor, good: torch.Tensor, sigma: float, axis: int, strength: float) -> torch.Tensor:
    """Contrast gets lower: the brightest tenth loses ``strength`` sigma, the rest in proportion."""
    middle, bright = good.median(), torch.quantile(good.flatten()[::7], 0.95)
    return good - (good - middle) * strength * sigma / float((bright - middle).abs().clamp_min(1e-6))


def _shaded(noisy: torch.Tensor, good: torch.Tensor, sigma: float, axis: int, strength: float) -> torch.Tensor:
    """One period of a wave across the slices."""
    planes = _planes(good, axis).copy()
    wave = np.sin(2 * np.pi * np.linspace(0, 1, planes.shape[1]))[:, None]
    return _image(planes + strength * sigma * wave, good, axis)


def _seam(noisy: torch.Tensor, good: torch.Tensor, sigma: float, axis: int, step: float) -> torch.Tensor:
    """Two tiles whose offsets differ by ``step`` sigma, upwards in one slice and downwards in another."""
    planes = _planes(good, axis).copy()
    signs = np.random.default_rng(0).choice([-1.0, 1.0], len(planes))
    planes[:, :, planes.shape[2] // 2 :] += step * sigma * signs[:, None, None]
    return _image(planes, good, axis)


def _clipped(noisy: torch.Tensor, good: torch.Tensor, sigma: float, axis: int, share: float) -> torch.Tensor:
    """The brightest ``share`` of the values is cut off."""
    return good.clamp(max=float(np.quantile(good.numpy(), 1 - share)))


FAULTS: dict[str, tuple[str, Fault]] = {
    "edges smoothed by 1 pixel": ("structure removed", partial(_smoothed, width=1.0)),
    "edges smoothed by 2 pixels": ("structure removed", partial(_smoothed, width=2.0)),
    "disk of 3 sigma pasted": ("created", partial(_pasted, strength=3.0)),
    "disk of 2 sigma pasted": ("created", partial(_pasted, strength=2.0)),
    "all shifted by 0.3 sigma": ("mean drift", partial(_shifted, shift=0.3)),
    "contrast lowered by 0.5 sigma": ("mean drift", partial(_scaled, strength=0.5)),
    "shading of 0.7 sigma": ("correlation removed", partial(_shaded, strength=0.7)),
    "seam of 0.5 sigma": ("seams", partial(_seam, step=0.5)),
    "brightest 1 % clipped": ("clipping", partial(_clipped, share=0.01)),
}
"""Name to the gate that is to see it, and (noisy, good, sigma, slice axis) to the faulty image."""

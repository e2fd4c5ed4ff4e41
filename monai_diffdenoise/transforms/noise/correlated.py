# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise that was filtered: white noise through a given kernel, or through a Gaussian."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.texture import Texture, lag_dims, plane_axes

__all__ = ["GaussianKernel", "Kernel", "draw_filtered", "kernel_autocorrelation"]


@dataclass(frozen=True, eq=False)
class Kernel(Texture):
    """White noise convolved with any kernel, on more of it than is kept: no border is padded, none is weaker.

    The autocorrelation at lag l is the sum over u of k(u) k(u + l), divided by that of k(u)^2.

    Args:
        kernel: as many axes as it acts along; any real numbers, not all 0. Its scale does not matter.
        axes: spatial axes that it acts along, counted from 0; ``None`` for the first ones. Along the others the noise
            is independent.

    Raises:
        InputError: a kernel that is empty, not finite or all 0; axes that do not fit.
    """

    kernel: torch.Tensor = field(repr=False)
    axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        kernel = torch.as_tensor(self.kernel).detach().to("cpu", torch.float64)
        if kernel.ndim == 0 or not bool(torch.isfinite(kernel).all()) or not bool(kernel.any()):
            raise InputError(
                f"got a noise kernel of shape {tuple(kernel.shape)}; expected at least one axis, finite numbers and "
                "one of them not 0"
            )
        object.__setattr__(self, "kernel", kernel / kernel.square().sum().sqrt())

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
        return draw_filtered(shape, self.kernel, plane_axes(self.axes, len(shape) - 1, self.kernel.ndim), generator)

    def autocorrelation(self, lag: Sequence[int], shape: Sequence[int] | None = None) -> float:
        axes = plane_axes(self.axes, lag_dims(lag, shape, self.axes, self.kernel.ndim), self.kernel.ndim)
        return kernel_autocorrelation(self.kernel, axes, lag)


@dataclass(frozen=True)
class GaussianKernel(Texture):
    """White noise smoothed by a Gaussian; the autocorrelation at distance d is about exp(-d^2 / (4 width^2)).

    The formula is for a Gaussian that is not sampled: it is off by 0.007 at a width of 0.8 voxels, 0.05 at 0.6.
    :meth:`autocorrelation` is that of the taps, exactly.

    Args:
        width: standard deviation of the Gaussian in voxels, above 0; it is cut at 4 widths.
        axes: spatial axes that it acts along, counted from 0; ``None`` for the first two, the plane of slices that lie
            along the last axis. Along the others the noise is independent.

    Raises:
        InputError: a width that cannot be, or axes that do not fit.
    """

    width: float = 0.8
    axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.width) and self.width > 0.0):
            raise InputError(f"got a Gaussian kernel of width {self.width}; expected voxels above 0")

    @property
    def taps(self) -> torch.Tensor:
        """Float64 (taps,), the sum of their squares 1."""
        reach = math.ceil(4.0 * self.width)
        taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / self.width) ** 2)
        return taps / taps.square().sum().sqrt()

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
        taps = self.taps
        whole = [axis + 1 for axis in plane_axes(self.axes, len(shape) - 1)]
        size = [n + len(taps) - 1 if axis in whole else n for axis, n in enumerate(shape)]
        noise = torch.randn(size, generator=generator)
        # A sum of shifted copies, not a Fourier transform: bit-equal wherever the random numbers are.
        for axis in whole:
            noise = torch.stack(
                [float(tap) * noise.narrow(axis, start, shape[axis]) for start, tap in enumerate(taps)]
            ).sum(dim=0)
        return noise

    def autocorrelation(self, lag: Sequence[int], shape: Sequence[int] | None = None) -> float:
        axes = plane_axes(self.axes, lag_dims(lag, shape, self.axes, 2))
        if any(step for axis, step in enumerate(lag) if axis not in axes):
            return 0.0
        return math.prod(kernel_autocorrelation(self.taps, (0,), (lag[axis],)) for axis in axes if axis < len(lag))


def draw_filtered(
    shape: Sequence[int], kernel: torch.Tensor, axes: Sequence[int], generator: torch.Generator
) -> torch.Tensor:
    """White noise through a kernel, exactly stationary.

    Args:
        shape: (C, *spatial).
        kernel: one axis for each of ``axes``, the sum of its squares 1.
        axes: spatial axes, counted from 0.
        generator: of the CPU.
    """
    whole = [axis + 1 for axis in axes]
    # On a circle this much larger than the image, no two voxels of the image meet around the back.
    size = [shape[axis] + n - 1 for axis, n in zip(whole, kernel.shape, strict=True)]
    drawn = list(shape)
    for axis, n in zip(whole, size, strict=True):
        drawn[axis] = n
    # The transforms want the axes in the order of the kernel's.
    noise = torch.randn(drawn, generator=generator).movedim(whole, list(range(-len(whole), 0)))
    dims = tuple(range(-len(whole), 0))
    response = torch.fft.rfftn(kernel.float(), s=size, dim=dims)
    noise = torch.fft.irfftn(torch.fft.rfftn(noise, dim=dims) * response, s=size, dim=dims)
    noise = noise.movedim(list(dims), whole)
    for axis in whole:
        noise = noise.narrow(axis, 0, shape[axis])
    return noise.contiguous()


def kernel_autocorrelation(kernel: torch.Tensor, axes: Sequence[int], lag: Sequence[int]) -> float:
    """Autocorrelation of white noise after a kernel.

    Args:
        kernel: one axis for each of ``axes``, any scale.
        axes: spatial axes, counted from 0.
        lag: along each spatial axis; axes that are not named count as 0.
    """
    if any(step for axis, step in enumerate(lag) if axis not in axes):
        return 0.0
    one = two = kernel.double()
    for position, axis in enumerate(axes):
        step = abs(lag[axis]) if axis < len(lag) else 0
        length = one.shape[position] - step
        if length <= 0:
            return 0.0
        # Only the relative sign of the lags matters.
        forward = axis >= len(lag) or lag[axis] >= 0
        one = one.narrow(position, 0 if forward else step, length)
        two = two.narrow(position, step if forward else 0, length)
    return float((one * two).sum() / kernel.double().square().sum())

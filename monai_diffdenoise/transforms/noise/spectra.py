# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise with a given power spectrum: any, that of filtered backprojection (CT), that of zero-filled k-space (MRI)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.correlated import Kernel
from monai_diffdenoise.transforms.noise.texture import Texture, lag_dims, plane_axes

__all__ = ["APODIZATIONS", "FilteredBackprojection", "PowerSpectrum", "ZeroFilled", "fbp_spectrum", "spectrum_kernel"]

APODIZATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "none": torch.ones_like,
    "shepp-logan": lambda share: torch.sinc(share / 2),
    "cosine": lambda share: torch.cos(math.pi / 2 * share),
    "hann": lambda share: 0.5 + 0.5 * torch.cos(math.pi * share),
}
"""Window of the ramp filter, as a function of frequency / cutoff from 0 to 1."""

# Odd, so that the kernel has a middle. At its reach the noise is correlated by 1e-5 with the default window and by 2e-3
# with the hardest one.
_FBP_SIZE = 65


def spectrum_kernel(power: torch.Tensor) -> torch.Tensor:
    """The symmetric kernel that gives white noise a power spectrum.

    Args:
        power: any number of axes, frequencies in the order of ``torch.fft.fftfreq``; at least 0, finite, not all 0, the
            same at f and -f.

    Returns:
        float64 kernel of the same shape, its middle at index n // 2.

    Raises:
        InputError: a spectrum that cannot be.
    """
    power = torch.as_tensor(power).detach().to("cpu", torch.float64)
    fits = power.ndim > 0 and power.numel() > 0 and bool(torch.isfinite(power).all()) and bool((power >= 0).all())
    if not fits or not bool(power.any()):
        raise InputError(
            f"got a power spectrum of shape {tuple(power.shape)}; expected finite numbers of at least 0, not all 0"
        )
    mirrored = power.flip(tuple(range(power.ndim))).roll((1,) * power.ndim, tuple(range(power.ndim)))
    if float((power - mirrored).abs().max()) > 1e-6 * float(power.max()):
        raise InputError(
            f"got a power spectrum of shape {tuple(power.shape)} that differs between f and -f; expected a symmetric "
            "one in the order of torch.fft.fftfreq: undo an fftshift"
        )
    return torch.fft.fftshift(torch.fft.ifftn(power.sqrt()).real)


class PowerSpectrum(Kernel):
    """Noise with a given power spectrum, such as one that was measured, on an image of any size.

    The spectrum becomes a kernel of its own size by :func:`spectrum_kernel`. The autocorrelation is that of the kernel;
    it is the inverse Fourier transform of ``power`` where that has died away at half its size.

    Args:
        power: as many axes as it acts along, see :func:`spectrum_kernel`; its scale does not matter.
        axes: spatial axes that it acts along, counted from 0; ``None`` for the first ones.
    """

    def __init__(self, power: torch.Tensor, axes: tuple[int, ...] | None = None) -> None:
        super().__init__(spectrum_kernel(power), axes)


def fbp_spectrum(size: int, apodization: str = "cosine", cutoff: float = 0.5) -> torch.Tensor:
    """Noise power spectrum of a slice that was made by filtered backprojection from many noisy projections.

    White noise in the projections leaves the filter with power f^2 A(f)^2; backprojection spreads it over a circle of
    radius f, which leaves f A(f)^2: nothing at frequency 0, rising with a ramp, then the window A.

    Args:
        size: pixels along both axes.
        apodization: one of :data:`APODIZATIONS`.
        cutoff: frequency where it ends, in cycles per pixel, above 0, at most 0.5.

    Returns:
        float64 (size, size), frequencies in the order of ``torch.fft.fftfreq``; largest value 1.

    Raises:
        InputError: an unknown window, or a cutoff or size that cannot be.
    """
    if apodization not in APODIZATIONS:
        raise InputError(f"got apodization {apodization!r}; expected one of {', '.join(APODIZATIONS)}")
    if not 0.0 < cutoff <= 0.5 or size * cutoff < 1.0:
        raise InputError(f"got cutoff {cutoff} for {size} pixels; expected above 0, at most 0.5, at least 1 / size")
    along = torch.fft.fftfreq(size, dtype=torch.float64)
    radius = torch.hypot(along[:, None], along[None, :])
    power = radius * APODIZATIONS[apodization]((radius / cutoff).clamp(max=1.0)).square()
    power = torch.where(radius <= cutoff, power, torch.zeros_like(power))
    return power / power.max()


@lru_cache(maxsize=32)
def _fbp_kernel(apodization: str, cutoff: float) -> torch.Tensor:
    return spectrum_kernel(fbp_spectrum(_FBP_SIZE, apodization, cutoff))


@dataclass(frozen=True)
class FilteredBackprojection(Texture):
    """Noise with the texture of a CT slice: :func:`fbp_spectrum` in the plane, slices independent.

    What is drawn is white noise through a kernel of 65 x 65 pixels with that spectrum; :meth:`autocorrelation` is that
    of the kernel, exactly.

    Args:
        apodization: one of :data:`APODIZATIONS`; "cosine" has correlations of 0.41 and -0.13 at lags 1 and 2.
        cutoff: in cycles per pixel, above 0, at most 0.5. A sharp kernel of a large field of view has 0.5; smaller
            pixels have less.
        axes: the two spatial axes of the plane, counted from 0; ``None`` for the first two.

    Raises:
        InputError: an unknown window or a cutoff that cannot be.
    """

    apodization: str = "cosine"
    cutoff: float = 0.5
    axes: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _fbp_kernel(self.apodization, self.cutoff)

    @property
    def filter(self) -> Kernel:
        """The kernel that does it."""
        return Kernel(_fbp_kernel(self.apodization, self.cutoff), self.axes)

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
        return self.filter.draw(shape, generator)

    def autocorrelation(self, lag: Sequence[int], shape: Sequence[int] | None = None) -> float:
        return self.filter.autocorrelation(lag, shape)


@dataclass(frozen=True)
class ZeroFilled(Texture):
    """Noise of an MR image whose k-space was filled up with zeros to a larger matrix.

    Of n frequencies along an axis round(n / factor) are kept, at least one. As in the scanner, this happens on the
    matrix of the image itself, so the noise of opposite borders is correlated like that of neighbors. At lag l the
    correlation along one axis is sinc(l / factor) in a large image; with the shape given, it is exact.

    Args:
        factors: interpolation along each of ``axes``, at least 1; 1 leaves it white.
        axes: as many spatial axes, counted from 0; ``None`` for the first ones.

    Raises:
        InputError: a factor below 1, or axes that do not fit.
    """

    factors: tuple[float, ...] = (1.5, 1.5)
    axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not self.factors or not all(math.isfinite(f) and f >= 1.0 for f in self.factors):
            raise InputError(f"got zero-fill factors {self.factors}; expected at least one, each 1 or more")

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn(tuple(shape), generator=generator)
        axes = plane_axes(self.axes, len(shape) - 1, len(self.factors))
        for axis, factor in zip(axes, self.factors, strict=True):
            power = _kept(shape[axis + 1], factor)
            if bool((power < 1.0).any()):
                amplitude = (power * (len(power) / power.sum())).sqrt().float()
                spectrum = torch.fft.fft(noise, dim=axis + 1)
                spectrum *= amplitude.view([-1 if a == axis + 1 else 1 for a in range(len(shape))])
                noise = torch.fft.ifft(spectrum, dim=axis + 1).real
        return noise.contiguous()

    def autocorrelation(self, lag: Sequence[int], shape: Sequence[int] | None = None) -> float:
        dims = lag_dims(lag, shape, self.axes, len(self.factors))
        axes = plane_axes(self.axes, dims, len(self.factors))
        steps = [*lag, *[0] * (dims - len(lag))]
        if any(step for axis, step in enumerate(steps) if axis not in axes):
            return 0.0
        value = 1.0
        for axis, factor in zip(axes, self.factors, strict=True):
            if shape is None:
                value *= float(torch.sinc(torch.tensor(steps[axis] / factor, dtype=torch.float64)))
            else:
                power = _kept(shape[axis], factor)
                phase = 2.0 * math.pi * steps[axis] * torch.fft.fftfreq(shape[axis], dtype=torch.float64)
                value *= float((power * phase.cos()).sum() / power.sum())
        return value


def _kept(size: int, factor: float) -> torch.Tensor:
    """Power at each frequency of an axis: 1 inside, 0 outside."""
    kept = max(1, round(size / factor))
    index = (torch.fft.fftfreq(size, dtype=torch.float64) * size).round().abs()
    # An even number of lines has its last one on one side only; of its noise the real part holds half on each.
    edge = 0.5 if kept < size else 1.0
    return (2 * index < kept).double() + edge * (2 * index == kept).double()

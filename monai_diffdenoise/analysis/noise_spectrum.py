# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
r"""How noise is correlated within slices: its autocorrelation and its power spectrum.

The estimate is the mean of the products of pixels at a lag, in flat blocks of a field without anatomy (see
:mod:`monai_diffdenoise.analysis.flat_blocks`), each divided by the number of pairs, so that there is no window in it.
What remains of anatomy is smooth within a block and adds the same to all lags: the mean over far lags is subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from monai_diffdenoise.analysis.flat_blocks import FlatBlocks

__all__ = ["NoiseSpectrum", "measure_spectrum"]

_REACH = 6
_SMALL = 0.1
_HOLE = 0.1


@dataclass(frozen=True, eq=False)
class NoiseSpectrum:
    """Second-order statistics of stationary noise in the plane of the slices.

    Args:
        autocorrelation: (2 r + 1, 2 r + 1) correlation at lags -r to r along both axes of the slice, 1 in the middle;
            tapered to 0 at its border.
        error: standard error of a value at a small lag.
        pedestal: what was subtracted as anatomy, as a share of the noise variance.
    """

    autocorrelation: torch.Tensor
    error: float
    pedestal: float

    @property
    def reach(self) -> int:
        """Largest lag."""
        return self.autocorrelation.shape[0] // 2

    def lag(self, down: int, right: int) -> float:
        """Correlation at a lag in pixels along the first and the second axis of the slice.

        Args:
            down: along the first axis, of either sign.
            right: along the second axis, likewise.
        """
        return float(self.autocorrelation[self.reach + down, self.reach + right])

    @property
    def lengths(self) -> tuple[int, int]:
        """Along each axis, the smallest lag from which on the correlation stays under 0.1 in size."""
        return self._length([self.lag(k, 0) for k in range(1, self.reach + 1)]), self._length(
            [self.lag(0, k) for k in range(1, self.reach + 1)]
        )

    def _length(self, values: list[float]) -> int:
        limit = max(_SMALL, 3 * self.error)
        above = [index + 1 for index, value in enumerate(values) if abs(value) >= limit]
        return max(above, default=0) + 1

    @property
    def white(self) -> bool:
        """Whether next pixels, diagonals included, are uncorrelated within 0.1 and the error of the measurement."""
        limit = max(_SMALL, 3 * self.error)
        return all(abs(self.lag(*lag)) < limit for lag in ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0)))

    def power(self, rows: int, columns: int) -> torch.Tensor:
        """Power spectrum for images of a size, with mean 1 (white noise is 1 everywhere).

        Args:
            rows: pixels along the first axis of the slice.
            columns: pixels along the second.

        Returns:
            (rows, columns) float64, frequencies in the order of ``torch.fft.fft2``, never below 0. Multiplied by the
            noise variance and the number of pixels it is the expected squared modulus of the transform of the noise.
        """
        r = self.reach
        kernel = torch.zeros(max(rows, 2 * r + 1), max(columns, 2 * r + 1), dtype=torch.float64)
        kernel[: 2 * r + 1, : 2 * r + 1] = self.autocorrelation.double()
        kernel = kernel.roll((-r, -r), (0, 1))
        spectrum = torch.fft.fft2(kernel).real.clamp(min=0)
        if spectrum.shape != (rows, columns):
            spectrum = torch.nn.functional.interpolate(spectrum[None, None], (rows, columns))[0, 0]
        return spectrum / spectrum.mean()

    @property
    def band_limit(self) -> tuple[float, float]:
        """Along each axis, the highest frequency (0 to 0.5 cycles per pixel) that still holds noise.

        0.5 unless the noise was cut off in the frequency domain, as by zero-filling in MRI, or smoothed away.
        """
        power = self.power(64, 64)
        frequency = torch.fft.fftfreq(64).abs()
        found = []
        for profile in (power.mean(1), power.mean(0)):
            alive = frequency[profile > _HOLE * profile.max()]
            found.append(float(alive.max()) if len(alive) else 0.0)
        return found[0], found[1]


def measure_spectrum(blocks: FlatBlocks, sigma: torch.Tensor, reach: int = _REACH) -> NoiseSpectrum:
    """Estimate the autocorrelation of the noise in flat blocks.

    Args:
        blocks: from a field without anatomy.
        sigma: (M,) noise standard deviation of each block, which may depend on its brightness.
        reach: largest lag that is kept; at most half a block.

    Returns:
        the autocorrelation with its error.
    """
    field = (blocks.field / sigma.to(blocks.field)[:, None, None].clamp_min(1e-30)).double()
    side = field.shape[1]
    reach = min(reach, side // 2)
    # Zero padding makes the circular correlation a plain one.
    power = torch.fft.rfft2(field, s=(2 * side, 2 * side)).abs().square().mean(0)
    sums = torch.fft.irfft2(power, s=(2 * side, 2 * side)).roll((side, side), (0, 1))[1:, 1:]
    lags = torch.arange(1 - side, side)
    pairs = ((side - lags.abs())[:, None] * (side - lags.abs())[None, :]).double()
    distance = (lags[:, None].square() + lags[None, :].square()).double().sqrt()
    far = (distance > reach) & (distance <= max(0.7 * side, reach + 1))
    pedestal = float(sums[far].sum() / pairs[far].sum())
    covariance = sums / pairs - pedestal
    middle = side - 1
    inner = covariance[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    total = float(inner[reach, reach])
    near = torch.arange(-reach, reach + 1).double()
    radius = (near[:, None].square() + near[None, :].square()).sqrt() / (reach + 1)
    # A taper from half way on keeps the chance of far lags from making ripples and negative power.
    taper = torch.where(radius < 0.5, torch.ones_like(radius), (torch.cos((radius.clamp(max=1) - 0.5) * torch.pi)))
    taper = taper.clamp(min=0)
    error = (len(field) * side * side) ** -0.5
    if not total > 0:
        delta = torch.zeros_like(inner)
        delta[reach, reach] = 1
        return NoiseSpectrum(delta, error, 0.0)
    correlation = (inner + inner.flip(0, 1)) / 2 / total * taper
    return NoiseSpectrum(correlation, error, pedestal / (total + pedestal))

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Parts of the frequency plane of a slice, and how much of the noise lies in each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError

__all__ = ["FrequencyBands"]

_EDGES = (0.25, 0.125, 0.0625)
_PADDING = 16


@dataclass(frozen=True, eq=False)
class FrequencyBands:
    r"""Smooth bands of spatial frequency that sum to 1.

    Bands are split by the radial frequency, from one edge to the next in steps of raised cosines of the logarithm that
    are an octave wide; all but the lowest are split again into rows and columns, by the squared cosine and sine of the
    angle, since scanners make noise (and anatomy has edges) that differs between the axes.

    Args:
        size: (H, W) of the slices.
        padding: mirrored pixels on both sides of each axis, since a Fourier transform joins opposite borders.
        masks: (bands, H + 2 p, (W + 2 p) // 2 + 1), what of each frequency belongs to the band, highest band first.
        noise: for each band, the variance of its noise as a share of the variance of all of it.
        correlation_area: for each band, pixels of noise that tell as much about its energy as one independent pixel,
            :math:`\sum_d \rho(d)^2` of the band's autocorrelation.
    """

    size: tuple[int, int]
    padding: tuple[int, int]
    masks: torch.Tensor
    noise: tuple[float, ...]
    correlation_area: tuple[float, ...]

    @classmethod
    def make(
        cls,
        size: tuple[int, int],
        autocorrelation: torch.Tensor | None = None,
        edges: Sequence[float] = _EDGES,
        oriented: bool = True,
    ) -> FrequencyBands:
        """Bands for slices of a size and noise of a kind.

        Args:
            size: (H, W).
            autocorrelation: (2 r + 1, 2 r + 1) of the noise, lag 0 in the middle, as ``NoiseSpectrum`` has it; None for
                white noise.
            edges: between the bands, in cycles per pixel, falling; () for a single band.
            oriented: split bands into rows and columns.

        Raises:
            InputError: edges that do not fall from below 0.7 to above 0, or another shape of the autocorrelation.
        """
        if any(not 0 < low < high for high, low in zip((0.7, *edges), edges, strict=False)):
            raise InputError(f"got band edges {tuple(edges)}; expected falling ones, from below 0.7 to above 0")
        padding = (min(_PADDING, size[0] - 1), min(_PADDING, size[1] - 1))
        rows, columns = (side + 2 * pad for side, pad in zip(size, padding, strict=True))
        down = torch.fft.fftfreq(rows, dtype=torch.float64)[:, None].expand(rows, columns)
        right = torch.fft.fftfreq(columns, dtype=torch.float64)[None].expand(rows, columns)
        radius = (down.square() + right.square()).sqrt()
        along_rows = (down.square() / radius.square().clamp_min(1e-12)).clamp(max=1)
        masks, rest = [], torch.ones_like(radius)
        for edge in edges:
            place = (torch.log2(radius.clamp_min(1e-9) / edge) + 0.5).clamp(0, 1)
            below = 0.5 + 0.5 * torch.cos(math.pi * place)
            masks += [(rest - below) * along_rows, (rest - below) * (1 - along_rows)] if oriented else [rest - below]
            rest = below
        masks.append(rest)
        power = _power(autocorrelation, rows, columns)
        spectra = [power * mask.square() for mask in masks]
        return cls(
            size=size,
            padding=padding,
            masks=torch.stack(masks)[:, :, : columns // 2 + 1].float(),
            noise=tuple(float(one.sum() / power.sum()) for one in spectra),
            correlation_area=tuple(
                float(one.square().sum() * one.numel() / one.sum().square().clamp_min(1e-30)) for one in spectra
            ),
        )

    def split(self, image: torch.Tensor) -> Iterator[torch.Tensor]:
        """The bands of a slice (H, W), each (H, W), highest first; their sum is the slice."""
        (down, right), (rows, columns) = self.padding, self.size
        padded = F.pad(image[None, None], (right, right, down, down), mode="reflect")[0, 0]
        spectrum = torch.fft.rfft2(padded)
        for mask in self.masks:
            band = torch.fft.irfft2(spectrum * mask.to(image), s=padded.shape)
            yield band[down : down + rows, right : right + columns]


def _power(autocorrelation: torch.Tensor | None, rows: int, columns: int) -> torch.Tensor:
    """Power spectrum (rows, columns) of mean 1, in the order of ``torch.fft.fft2``."""
    kernel = torch.zeros(rows, columns, dtype=torch.float64)
    if autocorrelation is None:
        return kernel + 1
    side = autocorrelation.shape[0]
    if autocorrelation.dim() != 2 or autocorrelation.shape[1] != side or side % 2 == 0:
        raise InputError(
            f"got an autocorrelation of shape {tuple(autocorrelation.shape)}; expected (2 r + 1, 2 r + 1) lags"
        )
    lags = torch.arange(side) - side // 2
    # lags beyond the image come back from the other side
    place = ((lags[:, None] % rows).expand(side, side), (lags[None] % columns).expand(side, side))
    kernel.index_put_(place, autocorrelation.double().to(kernel.device), accumulate=True)
    power = torch.fft.fft2(kernel).real.clamp(min=0)
    return power / power.mean()

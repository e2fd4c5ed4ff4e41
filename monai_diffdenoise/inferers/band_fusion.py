# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
r"""Posterior fusion band by band: what was removed is noise at some spatial frequencies and structure at others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from monai_diffdenoise.inferers.bands import FrequencyBands
from monai_diffdenoise.inferers.fusion import MARGIN, NoiseSource, fuse_in_runs
from monai_diffdenoise.inferers.runs import Run, box_mean, odd_at_most
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["band_window", "fuse_volume_bands"]

# As many independent values in a mean of squares as in the cube of fuse_volume, which the margin is meant for.
_SAMPLES, _SLICES, _WIDEST = 125, 5, 41
_SCATTER = 3.0
# Each band is also looked at in windows of half the side: lost structure is often a line.
_PARTS = (1.0, 0.5)


def band_window(
    correlation_area: float, size: tuple[int, int], slices: int, part: float = 1.0
) -> tuple[tuple[int, int], float]:
    """Height and width of the window for a band's energy, and how many independent values it then holds.

    Args:
        correlation_area: of the band, see :class:`~monai_diffdenoise.inferers.FrequencyBands`.
        size: (H, W) of the slices.
        slices: that the window spans.
        part: of the usual side.
    """
    side = max(math.ceil(part * math.sqrt(_SAMPLES / slices * max(correlation_area, 1.0))), 3)
    side = min(side + 1 - side % 2, _WIDEST)
    window = odd_at_most(side, size[0]), odd_at_most(side, size[1])
    return window, max(window[0] * window[1] * slices / max(correlation_area, 1.0), 1.0)


def fuse_volume_bands(
    noisy: torch.Tensor,
    denoised: torch.Tensor,
    weight: torch.Tensor | None,
    sigma: float,
    scaling: AffineScaling,
    axis: int = -1,
    distance: int = 1,
    out: torch.Tensor | None = None,
    progress: Callable[[int, int], None] | None = None,
    margin: float = MARGIN,
    share_out: torch.Tensor | None = None,
    variance_at: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ceiling: float = math.inf,
    autocorrelation: torch.Tensor | None = None,
    bands: FrequencyBands | None = None,
) -> tuple[torch.Tensor, float]:
    r"""Combine noisy and denoised volume with one share for each band of frequency and place.

    .. math:: \hat x = c + \sum_b a_b\, r_b, \qquad a_b = \max\left(0, 1 - m_b\,\sigma^2 s_b / \overline{r_b^2}\right)

    where the :math:`r_b` are the bands of the residual y - c within the slices, and :math:`s_b` is the share of the
    noise that the power spectrum puts into the band. The mean is over a window as wide as it takes for 125 independent
    values, and over 5 slices, or over one of half the side, whichever says that more was lost; with fewer values than
    125 the margin grows by three times the extra scatter, so that chance lets in no more noise. With white noise and an
    error spread over all frequencies this is :func:`~monai_diffdenoise.inferers.fuse_volume`; an estimate that is too
    smooth gets its fine detail back without the noise of other frequencies.

    Memory and the result are as with ``fuse_volume``, and so are the arguments that are not here:

    Args:
        noisy: y, (X, Y, Z), in any units.
        denoised: c, (X, Y, Z), in the same units.
        weight: matched-region weight, or None, as there: with care.
        sigma: noise standard deviation in normalised units.
        scaling: to normalised units.
        axis: slice axis.
        distance: slices from one to its partner.
        out: where the result goes; it may be ``denoised``.
        progress: called with (slices done, slices in all).
        margin: m of a band with 125 independent values to a mean; about 1 for an estimate that is blind to the voxel.
        share_out: where the share of the noise that was put back goes, (X, Y, Z), 0 to 1: the mean of the :math:`a_b`
            weighted by :math:`s_b`.
        variance_at: noise variance at a brightness, in input units.
        ceiling: of the local variance, with ``weight``.
        autocorrelation: of the noise within slices, (2 r + 1, 2 r + 1), its rows along the first of the two axes that
            are left, as ``NoiseMeasurement.spectrum.autocorrelation`` is measured along the same slice axis; None for
            white noise.
        bands: made already, for slices of this size; ``autocorrelation`` is then not used.

    Returns:
        the fused volume, and the mean share of the noise that was put back, 0 to 1.
    """
    rows, columns = (side for other, side in enumerate(noisy.shape) if other != axis % 3)
    found = bands if bands is not None else FrequencyBands.make((rows, columns), autocorrelation)
    slices = odd_at_most(_SLICES, noisy.shape[axis])
    usual = math.sqrt(2 / _SAMPLES)
    windows = [
        [
            (window, margin + _SCATTER * max(math.sqrt(2 / count) - usual, 0.0))
            for window, count in (band_window(area, (rows, columns), slices, part) for part in _PARTS)
        ]
        for area in found.correlation_area
    ]
    largest = sum(found.noise)

    def combine(removed: torch.Tensor, variance: torch.Tensor | float, run: Run) -> tuple[torch.Tensor, torch.Tensor]:
        stacked, moved = replace(run, axis=0), (removed / scaling.scale).movedim(run.axis, 0)
        if isinstance(variance, torch.Tensor):
            variance = variance.movedim(run.axis, 0)
        back, share = torch.zeros_like(stacked.core(moved)), torch.zeros_like(stacked.core(moved))
        # one slice at a time: many at once give other bits than few
        parts = zip(*(found.split(one.contiguous()) for one in moved.unbind(0)), strict=True)
        for part, noise, around in zip(parts, found.noise, windows, strict=True):
            band = torch.stack(part)
            squared, put_back = band.square(), torch.zeros_like(share)
            for window, least in around:
                energy = box_mean(squared, (slices, *window), stacked).clamp_min(torch.finfo(band.dtype).tiny)
                put_back = torch.maximum(put_back, 1 - least * noise * variance / energy)
            back += put_back * stacked.core(band)
            share += noise / largest * put_back
        return back.movedim(0, run.axis) * scaling.scale, share.movedim(0, run.axis)

    source = NoiseSource(weight, sigma, distance, variance_at, ceiling)
    return fuse_in_runs(noisy, denoised, source, scaling, combine, slices // 2, axis, out, progress, share_out)

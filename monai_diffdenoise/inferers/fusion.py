# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Posterior fusion: give back to the estimate what was removed beyond the noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers.runs import Run, box_mean
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["MARGIN", "NoiseSource", "fuse_in_runs", "fuse_volume", "local_noise_variance", "posterior_fusion"]

_NOISE_WINDOW, _SHARE_WINDOW, _PRIOR = 15, 5, 0.1
MARGIN = 1.25
"""See :func:`posterior_fusion`."""
# Voxels, and least slices, that are fused at a time, beside those around them.
_RUN_VOXELS, _RUN_SLICES = 1 << 18, 8


def local_noise_variance(
    volume: torch.Tensor,
    weight: torch.Tensor,
    sigma: float,
    axis: int = -1,
    distance: int = 1,
    window: int = _NOISE_WINDOW,
    prior: float = _PRIOR,
) -> torch.Tensor:
    r"""Noise variance at each voxel, from the differences of matched neighboring slices.

    .. math:: \hat\sigma^2 = \frac{\overline{W (y_{i+d} - y_i)^2 / 2} + p\,\sigma^2}{\overline{W} + p}

    with means over a cube; the volume's own sigma stands in where little is matched.

    Args:
        volume: noisy (X, Y, Z).
        weight: matched-region weight (X, Y, Z) of the pairs (i, i + d); its last ``distance`` slices are 0.
        sigma: noise standard deviation of the whole volume, in the volume's units.
        axis: slice axis.
        distance: slices from one to its partner.
        window: side of the cube.
        prior: weight p of the volume's own variance.

    Returns:
        (X, Y, Z), in squared units of the volume.
    """
    whole = Run(axis % 3, volume.shape[axis], 0, volume.shape[axis])
    return _variance(volume, weight, sigma, distance, window, prior, whole)


def _variance(
    volume: torch.Tensor, weight: torch.Tensor, sigma: float, distance: int, window: int, prior: float, run: Run
) -> torch.Tensor:
    """:func:`local_noise_variance` of the slices wanted, from those at hand."""
    slices, matched = volume.movedim(run.axis, 0), weight.movedim(run.axis, 0)
    count = max(slices.shape[0] - distance, 0)
    energy, share = torch.zeros_like(slices), torch.zeros_like(slices)
    difference = (slices[distance:] - slices[:count]).square_().mul_(matched[:count]).div_(2)
    # a pair tells as much of its second slice as of its first
    for start in (0, distance):
        energy[start : start + count] += difference
        share[start : start + count] += matched[:count]
    stacked = replace(run, axis=0)
    variance = (box_mean(energy, window, stacked) + prior * sigma**2) / (box_mean(share, window, stacked) + prior)
    return variance.movedim(0, run.axis)


def posterior_fusion(
    noisy: torch.Tensor,
    denoised: torch.Tensor,
    noise_variance: torch.Tensor | float,
    window: int = _SHARE_WINDOW,
    margin: float = MARGIN,
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Combine noisy and denoised volume by how well the residual is explained by noise.

    .. math:: \hat x = c + a (y - c), \qquad a = \max\left(0, 1 - m\,\sigma^2 / \overline{(y - c)^2}\right)

    With m = 1 this is the posterior mean for an error of c that is independent of the noise at the voxel. Where c holds
    a share g of that noise, the residual holds less than the error and m = 1 - g gives the smallest error. The local
    mean of N squares scatters by sqrt(2 / N), so a margin a quarter higher keeps noise from being let back in; where
    structure was lost, the mean is far above it.

    Args:
        noisy: y, (X, Y, Z).
        denoised: c, (X, Y, Z).
        noise_variance: of y, a number or (X, Y, Z).
        window: side of the cube of the local mean.
        margin: m.

    Returns:
        the fused volume and a, both (X, Y, Z). Where c equals y, so does the result.

    Raises:
        InputError: shapes differ, or are not (X, Y, Z).
    """
    if noisy.shape != denoised.shape or noisy.dim() != 3:
        raise InputError(
            f"got shapes {tuple(noisy.shape)} and {tuple(denoised.shape)}; expected two equal ones (X, Y, Z)"
        )
    removed = noisy - denoised
    share = _share(removed, noise_variance, window, margin)
    return denoised + share * removed, share


def _share(
    removed: torch.Tensor, noise_variance: torch.Tensor | float, window: int, margin: float, run: Run | None = None
) -> torch.Tensor:
    """The share a of what was removed that is no noise."""
    energy = box_mean(removed.square(), window, run)
    return (1 - margin * noise_variance / energy.clamp_min(torch.finfo(energy.dtype).tiny)).clamp(0, 1)


def fuse_volume(
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
) -> tuple[torch.Tensor, float]:
    """:func:`posterior_fusion` with :func:`local_noise_variance`, some slices at a time.

    Beside its arguments and the result, memory does not grow with the number of slices; the result does not depend on
    how many are fused at a time.

    Args:
        noisy: (X, Y, Z), in any units.
        denoised: (X, Y, Z), in the same units.
        weight: see :func:`local_noise_variance`; None when the noise is told by ``variance_at`` or sigma. Structure
            that changes between matched slices passes for noise and is not given back: at high SNR better None, unless
            the level of the noise is known to vary from place to place.
        sigma: noise standard deviation in normalised units.
        scaling: to normalised units: squares of very large or small numbers would leave float32.
        axis: slice axis.
        distance: slices from one to its partner.
        out: where the result goes, (X, Y, Z); a new tensor when None. It may be ``denoised``.
        progress: called with (slices done, slices in all).
        margin: see :func:`posterior_fusion`; about 1 for an estimate that is blind to the voxel itself.
        share_out: where the share of the residual that was put back goes, (X, Y, Z), 0 to 1; None keeps none.
        variance_at: noise variance at a brightness (any shape, input units) in squared input units, for noise that
            depends on the signal, in the place of sigma; it is asked with the denoised values.
        ceiling: with ``weight``, most that the local variance may be, in units of that of ``variance_at`` or sigma.

    Returns:
        the fused volume, and the mean share of the residual that was put back, 0 to 1.
    """

    def combine(removed: torch.Tensor, variance: torch.Tensor | float, run: Run) -> tuple[torch.Tensor, torch.Tensor]:
        share = _share(removed / scaling.scale, variance, _SHARE_WINDOW, margin, run)
        return share * run.core(removed), share

    noise = NoiseSource(weight, sigma, distance, variance_at, ceiling)
    return fuse_in_runs(noisy, denoised, noise, scaling, combine, _SHARE_WINDOW // 2, axis, out, progress, share_out)


@dataclass(frozen=True, eq=False)
class NoiseSource:
    """Where the noise variance of a fusion comes from; see :func:`fuse_volume`."""

    weight: torch.Tensor | None
    sigma: float
    distance: int = 1
    variance_at: Callable[[torch.Tensor], torch.Tensor] | None = None
    ceiling: float = math.inf

    def variance(
        self, noisy: torch.Tensor, denoised: torch.Tensor, scaling: AffineScaling, run: Run
    ) -> torch.Tensor | float:
        """Normalised variance of the slices that a run wants.

        Args:
            noisy: the whole volume (X, Y, Z).
            denoised: of the wanted slices.
            scaling: to normalised units.
            run: tells the slices.
        """
        level: torch.Tensor | float = self.sigma**2
        if self.variance_at is not None:
            level = (self.variance_at(denoised) / scaling.scale / scaling.scale).to(denoised)
        if self.weight is None:
            return level
        wide = replace(run, halo=_NOISE_WINDOW // 2 + self.distance)
        parts = scaling.apply(wide.cut(noisy)), wide.cut(self.weight)
        local = _variance(*parts, self.sigma, self.distance, _NOISE_WINDOW, _PRIOR, wide)
        return local if math.isinf(self.ceiling) else torch.minimum(local, torch.as_tensor(self.ceiling * level))


def fuse_in_runs(
    noisy: torch.Tensor,
    denoised: torch.Tensor,
    noise: NoiseSource,
    scaling: AffineScaling,
    combine: Callable[[torch.Tensor, torch.Tensor | float, Run], tuple[torch.Tensor, torch.Tensor]],
    halo: int,
    axis: int = -1,
    out: torch.Tensor | None = None,
    progress: Callable[[int, int], None] | None = None,
    share_out: torch.Tensor | None = None,
) -> tuple[torch.Tensor, float]:
    """What all fusions of volumes share: slices at hand, noise, the result in the place of the estimate.

    Args:
        noisy: (X, Y, Z), in any units.
        denoised: (X, Y, Z), in the same units.
        noise: its variance.
        scaling: to normalised units.
        combine: from the residual at hand, the variance of the wanted slices and the run to what is put back there and
            its share.
        halo: slices that ``combine`` needs on both sides.
        axis: slice axis.
        out: see :func:`fuse_volume`.
        progress: see :func:`fuse_volume`.
        share_out: see :func:`fuse_volume`.
    """
    for other in (denoised, *(tensor for tensor in (out, share_out) if tensor is not None)):
        if noisy.shape != other.shape or noisy.dim() != 3:
            raise InputError(
                f"got shapes {tuple(noisy.shape)} and {tuple(other.shape)}; expected two equal ones (X, Y, Z)"
            )
    result = torch.empty_like(denoised) if out is None else out
    axis, depth = axis % 3, noisy.shape[axis]
    step = max(_RUN_SLICES, _RUN_VOXELS // max(noisy.numel() // depth, 1))
    total, kept = 0.0, denoised.narrow(axis, 0, 0)
    for start in range(0, depth, step):
        stop = min(start + step, depth)
        run = Run(axis, depth, start, stop, halo)
        # where the result takes the place of what was denoised, the slices in front are fused already
        rest = denoised.narrow(axis, start, run.last - start)
        around = torch.cat([kept.narrow(axis, kept.shape[axis] - (start - run.first), start - run.first), rest], axis)
        before = min(2 * halo, stop - run.first)
        kept = around.narrow(axis, stop - run.first - before, before).clone()
        variance = noise.variance(noisy, run.core(around), scaling, run)
        back, share = combine(run.cut(noisy) - around, variance, run)
        result.narrow(axis, start, stop - start).copy_(run.core(around) + back)
        if share_out is not None:
            share_out.narrow(axis, start, stop - start).copy_(share)
        # slice by slice, so that the sum does not depend on how many are fused at a time either
        total += sum(float(one.contiguous().double().sum()) for one in share.unbind(axis))
        if progress is not None:
            progress(stop, depth)
    return result, total / noisy.numel()

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Posterior fusion: give back to the estimate what was removed beyond the noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["fuse_volume", "local_noise_variance", "posterior_fusion"]

_NOISE_WINDOW, _SHARE_WINDOW, _PRIOR, _MARGIN = 15, 5, 0.1, 1.25
# Voxels, and least slices, that are fused at a time, beside those around them.
_RUN_VOXELS, _RUN_SLICES = 1 << 18, 8


@dataclass(frozen=True)
class _Run:
    """Slices of a volume: wanted are ``start`` to ``stop`` of ``depth``, at hand ``halo`` more on each side.

    At the ends of the volume at least ``2 * halo + 1`` are at hand, since pooling refuses less than its window.
    """

    axis: int
    depth: int
    start: int
    stop: int
    halo: int = 0

    @property
    def first(self) -> int:
        return max(min(self.start - self.halo, self.depth - 2 * self.halo - 1), 0)

    @property
    def last(self) -> int:
        return min(max(self.stop + self.halo, 2 * self.halo + 1), self.depth)

    def cut(self, volume: torch.Tensor) -> torch.Tensor:
        """The slices at hand, of the whole volume."""
        return volume.narrow(self.axis, self.first, self.last - self.first)

    def core(self, part: torch.Tensor) -> torch.Tensor:
        """The slices wanted, of those at hand."""
        return part.narrow(self.axis, self.start - self.first, self.stop - self.start)


def _mean_along(volume: torch.Tensor, axis: int, size: int, padding: int) -> torch.Tensor:
    """Mean of ``size`` voxels along an axis, of those that lie inside."""
    sizes, paddings = (
        [value if other == axis else rest for other in range(3)] for value, rest in ((size, 1), (padding, 0))
    )
    return F.avg_pool3d(volume[None, None], sizes, 1, paddings, count_include_pad=False)[0, 0]


def _box(volume: torch.Tensor, window: int, run: _Run | None = None) -> torch.Tensor:
    """Mean over a cube of odd side, no wider than the volume, of the part of it that lies inside; (X, Y, Z).

    With a run, ``volume`` is what is at hand of it, and the result what is wanted.
    """
    if window < 1 or window % 2 == 0:
        raise InputError(f"got a window of {window} voxels; expected an odd number")
    for axis in range(3):
        # axis by axis: the same mean, forty times faster for a side of 15
        along = run is not None and axis == run.axis
        side = run.depth if run is not None and along else volume.shape[axis]
        size = min(window, side if side % 2 else side - 1)
        reach = size // 2
        if run is not None and along:
            near = replace(run, halo=min(reach, run.halo))
            volume = volume.narrow(axis, near.first - run.first, near.last - near.first)
            if near.start - near.first == reach == near.last - near.stop:
                volume = _mean_along(volume, axis, size, 0)
            else:
                volume = near.core(_mean_along(volume, axis, size, reach))
        else:
            volume = _mean_along(volume, axis, size, reach)
    return volume


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
    whole = _Run(axis % 3, volume.shape[axis], 0, volume.shape[axis])
    return _variance(volume, weight, sigma, distance, window, prior, whole)


def _variance(
    volume: torch.Tensor, weight: torch.Tensor, sigma: float, distance: int, window: int, prior: float, run: _Run
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
    variance = (_box(energy, window, stacked) + prior * sigma**2) / (_box(share, window, stacked) + prior)
    return variance.movedim(0, run.axis)


def posterior_fusion(
    noisy: torch.Tensor,
    denoised: torch.Tensor,
    noise_variance: torch.Tensor | float,
    window: int = _SHARE_WINDOW,
    margin: float = _MARGIN,
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Combine noisy and denoised volume by how well the residual is explained by noise.

    .. math:: \hat x = c + a (y - c), \qquad a = \max\left(0, 1 - m\,\sigma^2 / \overline{(y - c)^2}\right)

    With m = 1 this is the posterior mean for an error of c that is independent of the noise at the voxel. An estimate
    that has seen its own voxel errs less than that, and the local mean of N squares scatters by sqrt(2 / N), so a
    margin above 1 keeps noise from being let back in; where structure was lost, the mean is far above it.

    Args:
        noisy: y, (X, Y, Z).
        denoised: c, (X, Y, Z).
        noise_variance: of y, a number or (X, Y, Z).
        window: side of the cube of the local mean.
        margin: m.

    Returns:
        the fused volume and a, both (X, Y, Z). Where c equals y, so does the result.
    """
    if noisy.shape != denoised.shape or noisy.dim() != 3:
        raise InputError(
            f"got shapes {tuple(noisy.shape)} and {tuple(denoised.shape)}; expected two equal ones (X, Y, Z)"
        )
    removed = noisy - denoised
    share = _share(removed, noise_variance, window, margin)
    return denoised + share * removed, share


def _share(
    removed: torch.Tensor, noise_variance: torch.Tensor | float, window: int, margin: float, run: _Run | None = None
) -> torch.Tensor:
    """The share a of what was removed that is no noise."""
    energy = _box(removed.square(), window, run)
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
) -> tuple[torch.Tensor, float]:
    """:func:`posterior_fusion` with :func:`local_noise_variance`, some slices at a time.

    Beside its arguments and the result, memory does not grow with the number of slices; the result does not depend on
    how many are fused at a time.

    Args:
        noisy: (X, Y, Z), in any units.
        denoised: (X, Y, Z), in the same units.
        weight: see :func:`local_noise_variance`; None when sigma holds everywhere.
        sigma: noise standard deviation in normalised units.
        scaling: to normalised units: squares of very large or small numbers would leave float32.
        axis: slice axis.
        distance: slices from one to its partner.
        out: where the result goes, (X, Y, Z); a new tensor when None. It may be ``denoised``.
        progress: called with (slices done, slices in all).

    Returns:
        the fused volume, and the mean share of the residual that was put back, 0 to 1.
    """
    result = torch.empty_like(denoised) if out is None else out
    axis, depth = axis % 3, noisy.shape[axis]
    step, halo = max(_RUN_SLICES, _RUN_VOXELS // max(noisy.numel() // depth, 1)), _SHARE_WINDOW // 2
    total, kept = 0.0, denoised.narrow(axis, 0, 0)
    for start in range(0, depth, step):
        stop = min(start + step, depth)
        variance: torch.Tensor | float = sigma**2
        if weight is not None:
            wide = _Run(axis, depth, start, stop, _NOISE_WINDOW // 2 + distance)
            variance = _variance(
                scaling.apply(wide.cut(noisy)), wide.cut(weight), sigma, distance, _NOISE_WINDOW, _PRIOR, wide
            )
        run = _Run(axis, depth, start, stop, halo)
        # where the result takes the place of what was denoised, the slices in front are fused already
        rest = denoised.narrow(axis, start, run.last - start)
        around = torch.cat([kept.narrow(axis, kept.shape[axis] - (start - run.first), start - run.first), rest], axis)
        before = min(2 * halo, stop - run.first)
        kept = around.narrow(axis, stop - run.first - before, before).clone()
        removed = run.cut(noisy) - around
        share = _share(removed / scaling.scale, variance, _SHARE_WINDOW, _MARGIN, run)
        result.narrow(axis, start, stop - start).copy_(run.core(around) + share * run.core(removed))
        # slice by slice, so that the sum does not depend on how many are fused at a time either
        total += sum(float(one.contiguous().double().sum()) for one in share.unbind(axis))
        if progress is not None:
            progress(stop, depth)
    return result, total / noisy.numel()

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What was removed, looked at for what noise does not have: structure, and a correlation that is not the noise's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.arrays import Array, as_tensor, inside_mask, same_shape
from monai_diffdenoise.metrics.blocks import Estimate, block_sums, estimate, finite_or_none
from monai_diffdenoise.metrics.probe import ProbeResponse
from monai_diffdenoise.metrics.slice_error import SliceStack

__all__ = [
    "Autocorrelation",
    "StructureLoss",
    "autocorrelation",
    "residual_autocorrelation",
    "structure_correlation",
    "structure_loss",
]

_WINDOW = 8


@dataclass(frozen=True)
class Autocorrelation:
    """Autocorrelation of a residual beside that of noise.

    Args:
        lags: in voxels.
        residual: of the residual, one tuple per spatial axis; None where the axis is too short.
        noise: what the noise itself has at the same places; 0 for white noise.
    """

    lags: tuple[int, ...]
    residual: tuple[tuple[float | None, ...], ...]
    noise: tuple[tuple[float | None, ...], ...]

    @property
    def excess(self) -> float:
        """Root mean square difference of the two over all axes and lags; NaN where there is none."""
        pairs = [
            (one, two)
            for here, there in zip(self.residual, self.noise, strict=True)
            for one, two in zip(here, there, strict=True)
        ]
        known = [(one - two) ** 2 for one, two in pairs if one is not None and two is not None]
        return math.sqrt(sum(known) / len(known)) if known else math.nan

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return {
            "lags": list(self.lags),
            "residual": [list(axis) for axis in self.residual],
            "noise": [list(axis) for axis in self.noise],
            "excess": finite_or_none(self.excess),
        }


@dataclass(frozen=True)
class StructureLoss:
    """Structure among what was removed.

    Args:
        energy: its mean square, in squared units; about the squared bias of the denoiser.
        share: its part of the mean square of all that was removed, 0 to 1 but for its error.
    """

    energy: float
    share: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return {"energy": finite_or_none(self.energy), "share": self.share.as_dict()}


def autocorrelation(
    field: Array, lags: Sequence[int] = (1, 2, 3), mask: Array | None = None
) -> tuple[tuple[float | None, ...], ...]:
    """Autocorrelation of a field along each spatial axis.

    Args:
        field: (C, *spatial); its mean over the voxels that count is taken off.
        lags: in voxels.
        mask: where to look; both voxels of a pair have to be inside.

    Returns:
        one tuple per spatial axis, one number (-1 to 1) per lag; None where no pair counts or nothing varies.

    Raises:
        InputError: lags under 1, an empty mask, or values in it that are not finite.
    """
    values = as_tensor(field)
    if values.dim() < 2 or not lags or min(lags) < 1:
        raise InputError(f"got shape {tuple(values.shape)} and lags {tuple(lags)}; expected (C, *spatial), lags from 1")
    inside = inside_mask(mask, values.shape)
    kept = torch.ones(values.shape, dtype=torch.bool) if inside is None else inside
    centered = torch.where(kept, values.float(), 0.0)
    count, total = block_sums(lambda v, k: (k, v * k), centered, kept).sum(dim=0)
    centered = torch.where(kept, centered - float(total / count), 0.0)
    found = []
    for axis in range(1, values.dim()):
        along: list[float | None] = []
        for lag in lags:
            length = values.shape[axis] - lag
            if length < 1:
                along.append(None)
                continue
            parts = [field.narrow(axis, start, length) for start in (0, lag) for field in (centered, kept)]
            sums = block_sums(lambda a, i, b, j: (a * b, a.square() * i * j, b.square() * i * j), *parts).sum(dim=0)
            scale = math.sqrt(float(sums[1]) * float(sums[2]))
            along.append(float(sums[0]) / scale if scale > 0 else None)
        found.append(tuple(along))
    return tuple(found)


def residual_autocorrelation(
    noisy: Array,
    denoised: Array,
    lags: Sequence[int] = (1, 2, 3),
    *,
    noise: Array | None = None,
    mask: Array | None = None,
) -> Autocorrelation:
    """Autocorrelation of what was removed, against that of noise.

    A residual that is all of the noise has the noise's own autocorrelation, which is not 0 for correlated noise. More
    than that is structure, or noise whose fine part stayed; less is noise whose coarse part stayed in the image.

    Args:
        noisy: y, (C, *spatial).
        denoised: f(y), same shape.
        lags: in voxels.
        noise: what to compare with, same shape: a draw of the noise, differences of matched slices, or, best, what the
            denoiser leaves out of a draw of noise (``ProbeResponse.left_out``), in which only structure is missing.
            None is white noise.
        mask: where to look.

    Raises:
        InputError: shapes differ, lags under 1, the mask is empty, or values in it are not finite.
    """
    y, f = same_shape(noisy, denoised)
    found = autocorrelation(y.float() - f.float(), lags, mask)
    if noise is None:
        expected: tuple[tuple[float | None, ...], ...] = tuple(tuple(0.0 for _ in axis) for axis in found)
    else:
        expected = autocorrelation(same_shape(noisy, noise)[1], lags, mask)
    return Autocorrelation(tuple(lags), found, expected)


def structure_loss(
    noisy: Array,
    denoised: Array,
    axis: int = -1,
    distance: int = 1,
    *,
    mask: Array | None = None,
    response: ProbeResponse | None = None,
) -> StructureLoss:
    r"""Structure in the residual r, by what the residuals of neighboring slices share.

    .. math:: U = \frac{4 c_d - c_{2d}}{3}, \qquad c_d = \overline{r_i r_{i+d}}, \qquad
        \mathrm{share} = U / \overline{r^2}

    The noise of the slices is independent, so their residuals have nothing in common but the anatomy that both lost.
    Anatomy changes from slice to slice, which c at d and 2 d extrapolate to 0; the value is rather too small. It needs
    no noise level. A share above one half says that more structure than noise was removed. Below one half no smoothing
    does harm: for a Jacobian J with :math:`tr(J) \ge tr(J^T J)`, as averaging has it, the error shrinks by
    :math:`\sigma^2 (1 - \overline{(J p)^2} / \sigma^2) - U`, which is above 0 when U is below the noise in r.

    Args:
        noisy: y, (C, X, Y, Z).
        denoised: f(y), same shape. Each slice from itself alone, unless a ``response`` is given.
        axis: spatial axis along which the slices are stacked.
        distance: d.
        mask: where to look; both voxels of a pair have to be inside.
        response: of the denoiser to noise as strong as that in y; takes out what noise itself makes residuals share.

    Raises:
        InputError: shapes differ, fewer than ``distance + 1`` slices, or no pair counts.
    """
    stack = SliceStack.of(noisy, denoised, axis, response, mask)
    if distance < 1 or stack.length < distance + 1:
        raise InputError(f"got {stack.length} slices and a distance of {distance}; expected at least one pair")
    whole = stack.part(0, stack.length)
    tables = [block_sums(lambda r, w: (r.square(), w), *(part.flatten(0, 1) for part in (whole[1], whole[4])))]
    steps = (distance, 2 * distance) if stack.length > 2 * distance else (distance,)
    for step in steps:
        pair = [*stack.part(0, stack.length - step)[1:], *stack.part(step, stack.length - step)[1:]]
        tables.append(
            block_sums(
                lambda r, p, d, w, r2, p2, d2, w2: (r * r2 - (p - d) * (p2 - d2) * w * w2, w * w2),
                *(part.flatten(0, 1) for part in pair),
            )
        )
    totals = [table.sum(dim=0) for table in tables]
    if not all(bool(total[1] > 0) for total in totals):
        raise InputError("no pair of voxels counts: expected a mask that leaves some")
    means = [total[0] / total[1] for total in totals]
    moved = [(t[:, 0] - m * t[:, 1]) / total[1] for t, m, total in zip(tables, means, totals, strict=True)]
    shares = (4.0 / 3.0, -1.0 / 3.0) if len(steps) == 2 else (1.0,)
    energy = sum(share * mean for share, mean in zip(shares, means[1:], strict=True))
    influence = sum(share * part for share, part in zip(shares, moved[1:], strict=True))
    if not bool(means[0] > 0):
        return StructureLoss(0.0, Estimate(0.0, 0.0))
    share = torch.as_tensor(energy) / means[0]
    return StructureLoss(float(energy), estimate(share, (influence - share * moved[0]) / means[0]))


def structure_correlation(
    noisy: Array, denoised: Array, axis: int | None = None, *, mask: Array | None = None
) -> Estimate:
    """Local correlation of the residual with the detail of the denoised image: the method-noise test with a number.

    In windows of 8 x 8 voxels of a slice (8 in every axis without ``axis``), the residual is correlated with the
    denoised image minus its mean over 5 x 5 voxels; windows count by the energy of that detail. Above 0: detail was
    weakened; below 0: sharpened. With an axis the detail is that of the two neighboring slices, whose noise is another.
    Without one, noise that stayed in the image is detail, too, and what was removed of it raises the score, so that a
    small positive value is no proof of lost anatomy.

    Args:
        noisy: y, (C, *spatial).
        denoised: f(y), same shape.
        axis: spatial axis along which slices with independent noise are stacked, each denoised from itself alone; None
            where there are none.
        mask: where to look.

    Raises:
        InputError: shapes differ, the mask is empty, or values in it are not finite.
    """
    y, f = (values.float() for values in same_shape(noisy, denoised))
    inside = inside_mask(mask, y.shape)
    kept = torch.ones(y.shape, dtype=torch.bool) if inside is None else inside
    slice_axis = None if axis is None else 1 + axis % (y.dim() - 1)
    plane = [a for a in range(1, y.dim()) if a != slice_axis]
    residual, smooth = torch.where(kept, y - f, 0.0), torch.where(kept, f, 0.0)
    weight = _window_mean(kept.float(), plane, 5, 1).clamp_min(1e-6)
    detail = torch.where(kept, smooth - _window_mean(smooth, plane, 5, 1) / weight, 0.0)
    if slice_axis is not None and y.shape[slice_axis] > 1:
        detail = _of_neighbors(detail, slice_axis)
    count = _window_mean(kept.float(), plane, _WINDOW, _WINDOW).clamp_min(1e-6)
    mean_r, mean_s, rr, ss, rs = (
        _window_mean(part, plane, _WINDOW, _WINDOW) / count
        for part in (residual, detail, residual.square(), detail.square(), residual * detail)
    )
    rr, ss, rs = rr - mean_r.square(), ss - mean_s.square(), rs - mean_r * mean_s
    local = torch.where((rr > 0) & (ss > 0), rs / (rr * ss).clamp_min(torch.finfo(rr.dtype).tiny).sqrt(), 0.0)
    table = block_sums(lambda rho, energy: (energy, energy * rho), local, ss.clamp_min(0.0) * count)
    total, weighted = table.sum(dim=0)
    if not bool(total > 0):
        return Estimate(0.0, math.inf)
    value = weighted / total
    return estimate(value, (table[:, 1] - value * table[:, 0]) / total)


def _of_neighbors(field: torch.Tensor, axis: int) -> torch.Tensor:
    """Mean of both neighboring slices; at the ends, of the one there is."""
    length = field.shape[axis]
    before = torch.cat([field.narrow(axis, 1, 1), field.narrow(axis, 0, length - 1)], dim=axis)
    after = torch.cat([field.narrow(axis, 1, length - 1), field.narrow(axis, length - 2, 1)], dim=axis)
    return (before + after) / 2


def _window_mean(field: torch.Tensor, plane: list[int], side: int, stride: int) -> torch.Tensor:
    """Mean over windows in the axes of the plane, 0 outside the image; side by side for a stride above 1."""
    for axis in plane:
        moved = field.movedim(axis, -1)
        size = min(side, moved.shape[-1]) if stride > 1 else side
        padding = side // 2 if stride == 1 else 0
        flat = moved.reshape(1, -1, moved.shape[-1])
        pooled = F.avg_pool1d(flat, size, 1 if stride == 1 else size, padding)
        field = pooled.reshape(*moved.shape[:-1], -1).movedim(-1, axis)
    return field

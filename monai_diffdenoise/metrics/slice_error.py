# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Error of a denoised volume against its noisy neighboring slices, whose noise is another."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.arrays import Array, as_tensor, inside_mask, same_shape
from monai_diffdenoise.metrics.blocks import Estimate, block_sums, estimate, plane_stack
from monai_diffdenoise.metrics.probe import ProbeResponse

__all__ = ["SliceStack", "slice_gain", "slice_mse"]


@dataclass(frozen=True, eq=False)
class SliceStack:
    """A noisy and a denoised volume as stacks of slices, all (C, slices, H, W).

    Args:
        noisy: y.
        removed: r = y - f(y).
        probe: noise p that was sent through f; 0 without one.
        response: J p; 0 without one.
        weight: how far each voxel counts, 0 to 1.
    """

    noisy: torch.Tensor
    removed: torch.Tensor
    probe: torch.Tensor
    response: torch.Tensor
    weight: torch.Tensor

    @classmethod
    def of(
        cls, noisy: Array, denoised: Array, axis: int, response: ProbeResponse | None, mask: Array | None
    ) -> SliceStack:
        """Stack what belongs together; voxels outside the mask get a weight of 0 and the value 0.

        Raises:
            InputError: shapes differ, another number of axes, or an empty mask.
        """
        y, f = (values if values.dtype == torch.float64 else values.float() for values in same_shape(noisy, denoised))
        inside = inside_mask(mask, y.shape)
        zero = torch.zeros(1).expand(y.shape)
        p, d = (zero, zero) if response is None else same_shape(noisy, response.noise, response.response)[1:]
        fields = [y, y - f, p, d, torch.ones(1).expand(y.shape)]
        if inside is not None:
            fields = [torch.where(inside, field, 0.0) for field in fields]
        return cls(*(plane_stack(field, axis) for field in fields))

    @property
    def length(self) -> int:
        """Number of slices."""
        return self.noisy.shape[1]

    def part(self, start: int, length: int) -> tuple[torch.Tensor, ...]:
        """Views of a run of slices: noisy, removed, probe, response, weight."""
        fields = (self.noisy, self.removed, self.probe, self.response, self.weight)
        return tuple(field.narrow(1, start, length) for field in fields)


def _pair_weight(weight: Array | None, shape: torch.Size, axis: int) -> torch.Tensor:
    plain = torch.ones(1) if weight is None else as_tensor(weight).float()
    try:
        return plane_stack(plain.expand(shape), axis)
    except RuntimeError:
        raise InputError(
            f"got a weight of shape {tuple(plain.shape)}; expected {tuple(shape)}, or that of one channel"
        ) from None


def _flat(*stacks: torch.Tensor) -> list[torch.Tensor]:
    """(C, slices, H, W) to (C * slices, H, W): blocks are then columns through all slices, and may be compared."""
    return [stack.flatten(0, 1) for stack in stacks]


def slice_mse(
    noisy: Array,
    denoised: Array,
    sigma: float,
    axis: int = -1,
    distance: int = 1,
    weight: Array | None = None,
    *,
    mask: Array | None = None,
    response: ProbeResponse | None = None,
) -> Estimate:
    r"""Mean squared error from pairs of slices: that of the pair minus the noise variance.

    .. math:: \widehat{MSE} = \frac{\sum W [(f_i - y_{i+d})^2 + (f_{i+d} - y_i)^2]}{2 \sum W}
        - \sigma^2 + 2 \sigma^2 g_d

    True where the slices show the same anatomy, which W is to select, and where their noise is independent. What
    changes from slice to slice is counted as an error of everything that keeps it: the score prefers smoothing.

    Args:
        noisy: y, (C, X, Y, Z).
        denoised: f(y), same shape. Each slice from itself alone, unless a ``response`` is given.
        sigma: standard deviation of the noise, in units of y.
        axis: spatial axis along which the slices are stacked.
        distance: slices from one to its partner.
        weight: W of the pairs (i, i + distance), see ``MatchedRegionWeight``; None is 1.
        mask: where to look; both voxels of a pair have to be inside.
        response: of the denoiser to noise of strength sigma; gives g_d, the part of the neighbor's noise that the
            result has, which makes the score too small for a denoiser that sees the neighbor.

    Raises:
        InputError: shapes differ, too few slices, or no pair counts.
    """
    stack = SliceStack.of(noisy, denoised, axis, response, mask)
    matched = _pair_weight(weight, as_tensor(noisy).shape, axis)
    count = stack.length - distance
    if distance < 1 or count < 1:
        raise InputError(f"got {stack.length} slices and a distance of {distance}; expected at least one pair")
    first, second = stack.part(0, count), stack.part(distance, count)
    both = matched[:, :count] * first[4] * second[4]

    def fields(*parts: torch.Tensor) -> tuple[torch.Tensor, ...]:
        w, y1, r1, p1, d1, y2, r2, p2, d2 = parts
        error = (y1 - r1 - y2).square() + (y2 - r2 - y1).square()
        return w, w * error / 2, w * (d1 * p2 + d2 * p1)

    table = block_sums(fields, *_flat(both, *first[:4], *second[:4]))
    total, error, leak = table.sum(dim=0)
    if not bool(total > 0):
        raise InputError("no pair of voxels counts: expected a weight and a mask that leave some")
    value = (error + leak) / total
    return estimate(value - sigma**2, (table[:, 1] + table[:, 2] - value * table[:, 0]) / total)


def slice_gain(
    noisy: Array,
    denoised: Array,
    axis: int = -1,
    distance: int = 1,
    weight: Array | None = None,
    *,
    mask: Array | None = None,
    response: ProbeResponse | None = None,
    extrapolate: bool = True,
) -> Estimate:
    r"""By how much denoising made the mean squared error smaller, without knowing the noise.

    With r = y - f(y) and t a target whose noise is independent of that in y,

    .. math:: MSE(y) - MSE(f) = 2 E[r n] - E[r^2], \qquad E[r n] = E[r (y - t)] - E[r (x - E t)]

    t is the mean of both neighbors at distance d, in which steady change cancels. What is left of the last term grows
    with the square of d, so E[r (y - t)] is extrapolated from d and 2 d to 0. Detail that no neighbor has is still
    taken for noise, which makes the gain of smoothing too large: a negative gain is reliable, a positive one less so.

    Args:
        noisy: y, (C, X, Y, Z).
        denoised: f(y), same shape. Each slice from itself alone, unless a ``response`` is given.
        axis: spatial axis along which the slices are stacked.
        distance: d.
        weight: of the pairs (i, i + d); both pairs of a slice have to match. None is 1.
        mask: where to look.
        response: of the denoiser to noise as strong as that in y; takes the neighbors' noise out that f(y) has.
        extrapolate: use 2 d, too, where there are slices enough.

    Returns:
        mean squared error of y minus that of f(y), in squared units; negative where denoising did harm.

    Raises:
        InputError: shapes differ, fewer than ``2 * distance + 1`` slices, or no voxel counts.
    """
    stack = SliceStack.of(noisy, denoised, axis, response, mask)
    matched = _pair_weight(weight, as_tensor(noisy).shape, axis)
    if distance < 1 or stack.length < 2 * distance + 1:
        raise InputError(
            f"got {stack.length} slices; expected at least {2 * distance + 1} for both neighbors at distance {distance}"
        )
    reach = 2 if extrapolate and stack.length >= 4 * distance + 1 else 1
    start = reach * distance
    count = stack.length - 2 * start
    y, r, _, response_here, inside = stack.part(start, count)
    w = inside * matched[:, start : start + count] * matched[:, start - distance : start - distance + count]
    targets, probes = [], []
    for step in range(1, reach + 1):
        sides = [stack.part(start + side * step * distance, count) for side in (-1, 1)]
        w = w * sides[0][4] * sides[1][4]
        targets.append((sides[0][0] + sides[1][0]) / 2)
        probes.append((sides[0][2] + sides[1][2]) / 2)
    shares = (1.0,) if reach == 1 else (4.0 / 3.0, -1.0 / 3.0)

    def fields(*parts: torch.Tensor) -> tuple[torch.Tensor, ...]:
        w, y, r, d, *neighbors = parts
        product = torch.zeros_like(y)
        for share, target, probe in zip(shares, neighbors[:reach], neighbors[reach:], strict=True):
            product += share * (r * (y - target) - d * probe)
        return w, w * (2 * product - r.square())

    table = block_sums(fields, *_flat(w, y, r, response_here, *targets, *probes))
    total, gain = table.sum(dim=0)
    if not bool(total > 0):
        raise InputError("no voxel counts: expected a weight and a mask that leave some")
    value = gain / total
    return estimate(value, (table[:, 1] - value * table[:, 0]) / total)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Can neighboring slices teach a network? Noise, its correlation, and how much the slices match."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from monai_diffdenoise.analysis.correlation import in_plane_correlation, noise_correlation
from monai_diffdenoise.analysis.sigma import (
    best_sigma,
    pick_pairs,
    sigma_in_plane,
    sigma_second_difference,
    sigma_slice_difference,
    slice_stack,
)
from monai_diffdenoise.transforms.block_noise import foreground_threshold
from monai_diffdenoise.transforms.guide import default_tau, guide_noise, guide_slices, matched_region_weight

__all__ = ["SliceMeasurement", "choose_axis_and_distance", "measure_slices", "pairing_verdict"]

# Guides take most of the time: about a second for this many pixels twice.
_PAIR_VOXELS = 1_000_000
_CORRELATED = 0.1
_MIN_MATCHED = 0.5
_MAX_GUIDE_STEP = 1.0
_MAX_DISTANCE = 3


@dataclass(frozen=True)
class SliceMeasurement:
    """What was measured on a volume's slices; None where there are too few of them or they are too small.

    Args:
        axis: spatial axis of the volume along which slices are stacked.
        distance: slices from one to its partner.
        num_slices: along the axis.
        sigma: best estimate of the noise standard deviation within a slice, in input units.
        sigma_slice_difference: estimate from pairs of slices, in input units.
        sigma_second_difference: estimate from triples of slices, in input units.
        sigma_in_plane: estimate from next pixels within slices, in input units; too low for correlated noise.
        noise_correlation: of the noise of the two slices of a pair, about 0 when it is independent. It is that of fine
            detail; structure that survives in flat places adds up to 0.1 to it.
        in_plane_correlation: of the noise of next pixels, along the first and the second axis of the slice.
        guide_noise: what guides of partners differ by at typical places, a standard deviation in input units.
        matched_fraction: share of the foreground with matched guides at the default tau, 0 to 1.
        structure_ratio: energy of the change of structure between partners over the energy of the noise, in the
            foreground; a few sharp edges can make it large.
    """

    axis: int
    distance: int
    num_slices: int
    sigma: float
    sigma_slice_difference: float | None
    sigma_second_difference: float | None
    sigma_in_plane: float | None
    noise_correlation: float | None
    in_plane_correlation: tuple[float, float] | None
    guide_noise: float | None
    matched_fraction: float | None
    structure_ratio: float | None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _match(stack: torch.Tensor, distance: int, sigma: float) -> tuple[float, float] | None:
    """Noise of the guides and matched share of the foreground, on a few pairs."""
    first = pick_pairs(stack, distance, _PAIR_VOXELS, fewest=2)
    if not len(first):
        return None
    guide_a, guide_b = guide_slices(stack[first], sigma), guide_slices(stack[first + distance], sigma)
    threshold = foreground_threshold(stack)
    noise = guide_noise(torch.cat([guide_a, guide_b]), len(first), threshold)
    weight = matched_region_weight(guide_a, guide_b, default_tau(sigma, noise))
    foreground = (guide_a + guide_b) / 2 > threshold
    return noise, float(weight[foreground].mean()) if bool(foreground.any()) else float(weight.mean())


def _structure_ratio(stack: torch.Tensor, distance: int, sigma: float, correlation: float) -> float | None:
    """Energy of the pairs' difference in the foreground over that of noise alone, minus 1."""
    first = pick_pairs(stack, distance)
    if not len(first) or not sigma > 0:
        return None
    threshold, energy, count = foreground_threshold(stack), 0.0, 0
    for index in first:
        a, b = stack[index].contiguous(), stack[index + distance].contiguous()
        change = (b - a)[(a + b) / 2 > threshold] / sigma
        energy, count = energy + float(change.double().square().sum()), count + len(change)
    if not count:
        return None
    return max(energy / count / 2 / (1 - min(max(correlation, 0.0), 0.9)) - 1, 0.0)


def measure_slices(volume: torch.Tensor, axis: int = -1, distance: int = 1) -> SliceMeasurement:
    """Measure noise and matching of a volume's slices, on a sample that takes a few seconds.

    Args:
        volume: (X, Y, Z), finite, any units; (H, W) is one slice.
        axis: along which the slices are stacked.
        distance: slices from one to its partner.

    Returns:
        what :func:`pairing_verdict` judges by.

    Raises:
        InputError: another number of axes, or an axis that the volume does not have.
    """
    stack = slice_stack(volume, axis)
    correlation = noise_correlation(stack, 0, distance)
    known = 0.0 if math.isnan(correlation) else correlation
    sigma = best_sigma(stack, 0, distance, known)
    if distance > 1:
        # sigma belongs to the volume, and structure disturbs less between next slices
        nearest = noise_correlation(stack, 0, 1)
        sigma = min(sigma, best_sigma(stack, 0, 1, 0.0 if math.isnan(nearest) else nearest))
    match = _match(stack, distance, sigma)
    return SliceMeasurement(
        axis=axis,
        distance=distance,
        num_slices=stack.shape[0],
        sigma=sigma,
        sigma_slice_difference=_known(sigma_slice_difference(stack, 0, distance)),
        sigma_second_difference=_known(sigma_second_difference(stack, 0, distance)),
        sigma_in_plane=_known(sigma_in_plane(stack, 0)),
        noise_correlation=_known(correlation),
        in_plane_correlation=in_plane_correlation(stack, distance),
        guide_noise=None if match is None else match[0],
        matched_fraction=None if match is None else match[1],
        structure_ratio=_structure_ratio(stack, distance, sigma, known),
    )


def _matches(measurement: SliceMeasurement) -> bool:
    if measurement.matched_fraction is None or measurement.guide_noise is None:
        return False
    return (
        measurement.matched_fraction >= _MIN_MATCHED and measurement.guide_noise <= _MAX_GUIDE_STEP * measurement.sigma
    )


def pairing_verdict(measurement: SliceMeasurement) -> tuple[bool, str]:
    """Whether pairs of these slices can be learned from, and one sentence: the refusal, a warning, or nothing.

    Slices are too far apart when less than half of the foreground is matched, or when guides, in which noise is weak,
    differ by more than one sigma at typical places. Noise that is correlated across slices is a warning: what both
    slices share stays in the image, the rest is removed.
    """
    m = measurement
    if m.num_slices <= m.distance:
        few = "1 slice" if m.num_slices == 1 else f"{m.num_slices} slices"
        return False, (
            f"got {few} along axis {m.axis}; pairing slices at distance {m.distance} needs at least {m.distance + 1}: "
            "give the whole volume or series"
        )
    if not m.sigma > 0:
        return False, (
            f"no noise was found: slices at distance {m.distance} along axis {m.axis} are equal where they are flat; "
            "there is nothing to remove"
        )
    matched, step = m.matched_fraction or 0.0, (m.guide_noise or 0.0) / m.sigma
    if not _matches(m):
        return False, (
            f"slices at distance {m.distance} along axis {m.axis} are too far apart for noise of {m.sigma:.3g}: "
            f"{matched:.0%} of the foreground is matched (at least {_MIN_MATCHED:.0%} is needed) and smoothed slices "
            f"differ by {step:.2g} times the noise (at most {_MAX_GUIDE_STEP:g}); choose an axis with thinner slices"
        )
    if m.noise_correlation is not None and m.noise_correlation >= _CORRELATED:
        return True, (
            f"noise is correlated across slices along axis {m.axis} ({m.noise_correlation:.2f} at distance "
            f"{m.distance}; under {_CORRELATED:g} is independent): that part of it will stay in the image"
        )
    if m.num_slices - m.distance < 2:
        return True, f"only {m.num_slices} slices: the network learns from a single pair, so expect little"
    return True, ""


def choose_axis_and_distance(
    volume: torch.Tensor,
    spacing: Sequence[float],
    slice_axis: int,
    *,
    axis: int | None = None,
    distance: int | None = None,
) -> tuple[int, int, str]:
    """Choose which slices are paired.

    The axis is that of acquisition: across it noise is independent in 2D scans, and other axes lie in the plane where
    reconstruction filters correlate it. The distance is the smallest up to 3 at which the noise is independent while
    slices still match; where none is, 1.

    Args:
        volume: (X, Y, Z), finite.
        spacing: millimeters along each axis.
        slice_axis: along which the slices were acquired.
        axis: what the user asks for; chosen when None.
        distance: what the user asks for; chosen when None.

    Returns:
        axis, distance, and a sentence with the reason.
    """
    chosen = slice_axis if axis is None else axis
    name = f"axis {chosen} ({'the slice axis' if axis is None else 'asked for'})"
    step = float(spacing[chosen])
    if distance is not None:
        return chosen, distance, f"pairing along {name} at distance {distance} (asked for, {distance * step:.3g} mm)"
    stack = slice_stack(volume, chosen)
    for candidate in range(1, _MAX_DISTANCE + 1):
        if candidate > 1 and stack.shape[0] < 2 * candidate + 1:
            break
        measurement = measure_slices(stack, 0, candidate)
        if not _matches(measurement):
            break
        correlation = measurement.noise_correlation
        if correlation is not None and correlation < _CORRELATED:
            why = f"noise correlation {correlation:.2f}, {measurement.matched_fraction:.0%} of the foreground matched"
            return chosen, candidate, f"pairing along {name} at distance {candidate} ({candidate * step:.3g} mm): {why}"
    why = f"no distance up to {_MAX_DISTANCE} has both independent noise and matching slices"
    return chosen, 1, f"pairing along {name} at distance 1 ({step:.3g} mm): {why}"

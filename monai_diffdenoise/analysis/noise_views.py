# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The ways in which the noise of an image can be seen: between slices, between repeats, within single images."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from monai_diffdenoise.analysis.flat_blocks import FlatBlocks, find_flat_blocks
from monai_diffdenoise.analysis.noise_family import NoiseCurve, NoiseFamily, fit_family
from monai_diffdenoise.analysis.noise_spectrum import NoiseSpectrum, measure_spectrum
from monai_diffdenoise.analysis.sigma import slice_stack
from monai_diffdenoise.analysis.single_image import measure_single_image
from monai_diffdenoise.analysis.slice_correlation import SliceCorrelation, measure_slice_correlation
from monai_diffdenoise.transforms.block_noise import block_mean, foreground_threshold

__all__ = ["NoiseView", "choose_view", "foreground_sigma", "noise_views"]

_CORRELATED = 0.1
_FAR_MORE = 1.3
_CLEAN = 1.8
_MOST_REPEATS = 32
# As many as a volume is measured on; the largest blocks.
_PIXELS = 1 << 19
_BLOCK = 16
_UNKNOWN = SliceCorrelation((math.nan, math.nan), math.nan, math.nan)


@dataclass(frozen=True, eq=False)
class NoiseView:
    """What one way of looking shows.

    Args:
        blocks: where the noise was seen.
        curve: its variance by brightness.
        family: the law fitted to the curve.
        spectrum: its correlation within slices.
        across: its correlation from slice to slice.
    """

    blocks: FlatBlocks
    curve: NoiseCurve
    family: NoiseFamily
    spectrum: NoiseSpectrum
    across: SliceCorrelation

    def clean(self) -> torch.Tensor:
        """Which blocks (M,) lie in groups without structure."""
        return torch.from_numpy(self.curve.trusted()[0])[self.blocks.group]

    def levels(self) -> torch.Tensor:
        """Noise standard deviation (M,) that the law gives each block."""
        return _level(self.family, self.blocks)


def choose_view(found: dict[str, NoiseView], stack: torch.Tensor) -> str:
    """The name of the best view.

    Differences are the better witness; only structure that nobody noticed makes them see far more than a single image.
    """
    levels = {name: foreground_sigma(view.family, stack) for name, view in found.items()}
    differences = [name for name in found if name != "image"]
    if not differences:
        return "image"
    certain = [name for name in differences if found[name].family.certain] or differences
    best = min(certain, key=lambda name: levels[name])
    if "repeats" in found and levels["repeats"] * _FAR_MORE < levels[best]:
        # Anatomy cancels between repeats however rough it is.
        best = "repeats"
    if "image" in found and found["image"].family.certain and levels[best] > _FAR_MORE * levels["image"]:
        return "image"
    return best


def noise_views(
    stack: torch.Tensor, image: torch.Tensor, slice_axis: int, scale: float, repeats: bool
) -> dict[str, NoiseView]:
    """Every way to see the noise that an image allows.

    Args:
        stack: (N, H, W) slices of one time point, divided by ``scale``.
        image: (C, *spatial) all time points, in input units.
        slice_axis: spatial axis of the slices.
        scale: what brings the values near 1, where their squares are safe in float32.
        repeats: whether time points are repeats of one picture.

    Returns:
        "slices", "repeats" and "image", those that there are; in the units of the stack.
    """
    found: dict[str, NoiseView] = {}
    lowest, threshold = float(stack.min()), foreground_threshold(stack)
    across = measure_slice_correlation(stack, 0)
    sliced = _from_differences(stack, lowest, threshold, across) if stack.shape[0] > 1 else None
    if sliced is not None:
        found["slices"] = sliced
    if repeats and image.shape[0] > 1:
        timed = _from_differences(_series(image, slice_axis) / scale, lowest, threshold, _UNKNOWN)
        if timed is not None:
            found["repeats"] = replace(timed, across=across)
    single = measure_single_image(stack, 0)
    if single is not None:
        blocks, spectrum = single
        curve = _curve(blocks, lowest, threshold)
        found["image"] = NoiseView(blocks, curve, fit_family(curve), spectrum, across)
    return found


def _series(image: torch.Tensor, slice_axis: int) -> torch.Tensor:
    """Repeats (T, K * H, W) of some slices from all over the volume, one below the other.

    One slice alone may show only air, or too few places without anatomy. Slices are cut to whole blocks, so that none
    lies across two of them.
    """
    count = min(image.shape[0], _MOST_REPEATS)
    first = (image.shape[0] - count) // 2
    parts = [slice_stack(part, slice_axis) for part in image[first : first + count]]
    depth, height, width = parts[0].shape
    number = max(min(depth, _PIXELS // (count * height * width)), 1)
    places = [(2 * k + 1) * depth // (2 * number) for k in range(number)]
    rows = height - height % _BLOCK if height >= _BLOCK else height
    return torch.stack([part[places, :rows].reshape(-1, width) for part in parts])


def _from_differences(
    stack: torch.Tensor, lowest: float, threshold: float, across: SliceCorrelation
) -> NoiseView | None:
    """Noise from the differences of slices (or time points)."""
    # What slices share correlates them positively; a negative value is structure between slices that look alike.
    near, next_but_one = (r if r >= _CORRELATED else 0.0 for r in across.at)
    distance = 1 if not near else (2 if not next_but_one else 3)
    order = 2
    while stack.shape[0] <= order * distance and distance > 1:
        distance -= 1
    if stack.shape[0] <= order * distance:
        order = 1
    correlation = {1: near, 2: next_but_one}.get(distance, 0.0)
    # The variance of a run's field under correlation from slice to slice, as far as it is known.
    kept = 1 - correlation if order == 1 else 1 - 4 / 3 * correlation + (next_but_one / 3 if distance == 1 else 0)
    blocks = find_flat_blocks(stack, 0, distance, order)
    if blocks is None:
        return None
    blocks = blocks.divided(max(kept, 0.1))
    curve = _curve(blocks, lowest, threshold)
    family = fit_family(curve)
    large = find_flat_blocks(stack, 0, distance, order, side=16, share=0.1) or blocks
    clean = (large.structure < _CLEAN)[large.group]
    large = large.select(clean) if int(clean.sum()) >= 8 else large
    spectrum = measure_spectrum(large, _level(family, large))
    if spectrum.white and stack.shape[0] > 3 * distance and distance == 1 and not near:
        # White noise shows in the finest detail, where texture shows least.
        finer = find_flat_blocks(stack, 0, 1, 3, fine=True)
        if finer is not None:
            curve = _curve(finer, lowest, threshold)
            return NoiseView(finer, curve, fit_family(curve), spectrum, across)
    return NoiseView(blocks, curve, family, spectrum, across)


def _curve(blocks: FlatBlocks, lowest: float, threshold: float) -> NoiseCurve:
    return NoiseCurve(
        mean=blocks.group_means(blocks.mean.double()).numpy(),
        variance=blocks.group_means(blocks.energy.double()).numpy(),
        count=blocks.counts.numpy(),
        structure=blocks.structure.double().numpy(),
        lowest=lowest,
        threshold=threshold,
    )


def _level(family: NoiseFamily, blocks: FlatBlocks) -> torch.Tensor:
    return torch.from_numpy(np.sqrt(family.variance(blocks.mean.numpy())))


def foreground_sigma(family: NoiseFamily, stack: torch.Tensor) -> float:
    """Noise standard deviation, root mean square over the blocks brighter than Otsu's threshold."""
    means = block_mean(stack)
    bright = means[means > foreground_threshold(stack)]
    return math.sqrt(float(family.variance((bright if bright.numel() else means).double().numpy()).mean()))

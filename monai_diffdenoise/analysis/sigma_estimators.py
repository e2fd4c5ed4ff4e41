# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Classical estimates of the noise level that fail in different ways, so that their disagreement tells something.

| estimator | right for | fails |
|---|---|---|
| ``laplacian`` | white noise | low for correlated noise, high in texture |
| ``patch_pca`` | white noise, repetitive texture | low for correlated noise |
| ``background`` | magnitude MRI with air around | masked or missing background, several coils |
"""

from __future__ import annotations

import math

import torch

from monai_diffdenoise.analysis.sigma import pick_pairs, slice_stack
from monai_diffdenoise.transforms.block_noise import block_mean, foreground_threshold

__all__ = ["sigma_background", "sigma_laplacian", "sigma_patch_pca"]

_MAD = 0.6744897501960817
_VOXELS = 2_000_000
_PATCHES = 25_000
# Mean over standard deviation of a Rayleigh variable, and how far blocks of 64 pixels scatter about it.
_RAYLEIGH_RATIO = math.sqrt(math.pi / 2) / math.sqrt(2 - math.pi / 2)
_RATIO_SPREAD = 0.35


def sigma_laplacian(volume: torch.Tensor, axis: int = -1) -> float:
    """Median absolute deviation of second differences along both axes of the slices (finest detail).

    Args:
        volume: (X, Y, Z), finite; (H, W) is one slice.
        axis: along which the slices are stacked.

    Returns:
        sigma in input units; NaN for slices under 3 pixels. Places that are exactly flat (masked) do not count.
    """
    stack = slice_stack(volume, axis)
    if min(stack.shape[1:]) < 3:
        return math.nan
    chosen = stack[pick_pairs(stack, 0, _VOXELS)]
    rows = chosen[:, :-2] - 2 * chosen[:, 1:-1] + chosen[:, 2:]
    detail = (rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]).abs() / 6
    bright = (chosen[:, 1:-1, 1:-1] > foreground_threshold(stack)) & (detail > 0)
    values = detail[bright] if int(bright.sum()) > 100 else detail[detail > 0]
    return float(values.median()) / _MAD if values.numel() else 0.0


def sigma_patch_pca(volume: torch.Tensor, axis: int = -1, side: int = 5) -> float:
    """Smallest eigenvalues of the covariance of patches: structure needs only a few of the directions.

    Eigenvalues are dropped from the top until their mean equals their median, as it does for noise alone.

    Args:
        volume: (X, Y, Z), finite; (H, W) is one slice.
        axis: along which the slices are stacked.
        side: of a patch in pixels.

    Returns:
        sigma in input units; NaN for slices smaller than two patches.
    """
    stack = slice_stack(volume, axis)
    if min(stack.shape[1:]) < 2 * side:
        return math.nan
    threshold = foreground_threshold(stack)
    # Every second patch along both axes: four pixels for each.
    chosen = stack[pick_pairs(stack, 0, 4 * _PATCHES)]
    windows = chosen.unfold(1, side, 2).unfold(2, side, 2).reshape(-1, side * side)
    bright = windows[windows.mean(1) > threshold]
    patches = bright if len(bright) > 20 * side**2 else windows
    live = patches[patches.std(1) > 0]
    if len(live) < 4 * side**2:
        return 0.0 if not len(live) else math.nan
    patches = live[:: 1 + len(live) // _PATCHES].double()
    values = torch.linalg.eigvalsh(torch.cov((patches - patches.mean(1, keepdim=True)).T)).clamp(min=0)
    # The direction of the patches' own mean, which was taken out, has no variance.
    values = values[1:]
    for count in range(len(values), 0, -1):
        lowest = values[:count]
        if float(lowest.mean()) <= float(lowest.median()) * (1 + 1e-9) or count == 1:
            return math.sqrt(float(lowest.mean()))
    return math.nan


def sigma_background(volume: torch.Tensor, axis: int = -1) -> float:
    """Sigma of one Gaussian channel from the air around the object in magnitude images, where noise is Rayleigh.

    Args:
        volume: (X, Y, Z), finite, not negative; (H, W) is one slice.
        axis: along which the slices are stacked.

    Returns:
        sigma in input units; NaN where there are negative values or no Rayleigh background: in fewer than 1 % of the
        blocks mean and standard deviation are in its ratio of 1.91, and those are not the darkest.
    """
    stack = slice_stack(volume, axis)
    chosen = stack[pick_pairs(stack, 0, _VOXELS)]
    if min(stack.shape[1:]) < 8 or float(chosen.min()) < 0:
        return math.nan
    largest = float(chosen.max())
    if not largest > 0:
        return math.nan
    chosen = chosen / largest
    mean, square = block_mean(chosen).flatten().double(), block_mean(chosen.square()).flatten().double()
    spread = (square - mean.square()).clamp(min=0).sqrt()
    masked = block_mean((chosen == 0).float()).flatten() > 0.25
    ratio = mean / spread.clamp(min=1e-12)
    rayleigh = ~masked & ((ratio - _RAYLEIGH_RATIO).abs() < _RATIO_SPREAD)
    beside = ~masked & ~rayleigh & ((ratio - _RAYLEIGH_RATIO).abs() < 2 * _RATIO_SPREAD)
    # Edges have any ratio; air has its own.
    if int(rayleigh.sum()) < max(16, 0.01 * len(mean), 2 * int(beside.sum())):
        return math.nan
    typical = mean[rayleigh].median()
    if typical > mean[~masked].quantile(0.5) and float(rayleigh.float().mean()) < 0.25:
        return math.nan
    # The whole dark mode, not only what passed the test on the ratio: that would cut its tails.
    dark = ~masked & (mean < 1.25 * typical) & (mean > 0.8 * typical)
    return largest * math.sqrt(float(square[dark].mean()) / 2)

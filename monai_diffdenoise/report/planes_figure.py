# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Three planes of a run as one figure, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from monai_diffdenoise.report.canvas import INK, blank
from monai_diffdenoise.report.planes import gray_limits, plane_views

if TYPE_CHECKING:
    from monai_diffdenoise.report.canvas import Figure

__all__ = ["planes_figure"]


def planes_figure(
    noisy: torch.Tensor,
    denoised: torch.Tensor,
    *,
    affine: torch.Tensor | None = None,
    spacing: Sequence[float] | None = None,
    slice_axis: int = -1,
    channel: int | None = None,
) -> Figure:
    """Before, after and what was removed, in up to three planes through the middle of the object.

    Args:
        noisy: (C, X, Y) or (C, X, Y, Z).
        denoised: same shape.
        affine: 4 x 4, voxel indices to RAS millimeters; None takes the axes as they are.
        spacing: millimeters along each spatial axis; None for cubes.
        slice_axis: axis of the slices.
        channel: time point to show; None for the middle one.
    """
    matrix = torch.eye(4, dtype=torch.float64) if affine is None else torch.as_tensor(affine)
    sizes = [1.0] * (denoised.dim() - 1) if spacing is None else spacing
    slice_axis %= max(denoised.dim() - 1, 1)
    views = plane_views(denoised, matrix, sizes, slice_axis)
    channel = denoised.shape[0] // 2 if channel is None else channel
    low, high = gray_limits(denoised, slice_axis)
    figure = blank(9.6, 3.3 * len(views))
    axes = figure.subplots(len(views), 3, squeeze=False)
    reach = 1e-12
    for row, view in enumerate(views):
        one, two = view.cut(noisy, channel), view.cut(denoised, channel)
        if row == 0:
            reach = max(float((one - two).abs().flatten().kthvalue(max(1, round(0.995 * one.numel()))).values), reach)
        shape = one.shape[0] * view.aspect / one.shape[1]
        titles = ("noisy", "denoised", f"removed, +-{reach:.3g}")
        for place, picture, limits in zip(
            axes[row], (one, two, one - two), ((low, high), (low, high), (-reach, reach)), strict=True
        ):
            place.imshow(picture.numpy(), cmap="gray", vmin=limits[0], vmax=limits[1], aspect=1 / shape)
            place.set_xticks([])
            place.set_yticks([])
        for place, title in zip(axes[row], titles, strict=True):
            place.set_title(f"{view.name}, {title}", fontsize=10, color=INK)
    return figure

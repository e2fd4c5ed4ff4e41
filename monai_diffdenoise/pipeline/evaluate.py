# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Score an image file against a reference file."""

from __future__ import annotations

import itertools
import os

import numpy as np
import torch

from monai_diffdenoise.data import Volume, read_volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics import ReferenceScores, reference_scores

__all__ = ["evaluate_files"]

# Formats round positions differently; what is further off than this part of a voxel is another grid.
_TOLERANCE = 0.05


def evaluate_files(
    image: str | os.PathLike[str],
    reference: str | os.PathLike[str],
    mask: str | os.PathLike[str] | None = None,
    data_range: float | None = None,
) -> ReferenceScores:
    """Score an image against a reference; both, and the mask, must lie on one grid.

    Voxels without a value (NaN, infinite) in either are left out.

    Args:
        image: file or DICOM folder.
        reference: file or DICOM folder, of the same shape, position and units.
        mask: file or DICOM folder of the same grid; voxels above 0 count. One with a single channel serves all.
        data_range: full range in the image's units; None takes the reference's 99.9th minus its 0.1st percentile.

    Returns:
        the scores; SSIM runs over the reference's slices.

    Raises:
        InputError: a file that cannot be read, shapes or positions that differ, or nothing to compare.
    """
    truth = read_volume(reference)
    noisy = read_volume(image)
    if noisy.image.shape != truth.image.shape:
        raise InputError(
            f"{image} has shape {tuple(noisy.image.shape)}, the reference {tuple(truth.image.shape)} "
            "(channels first): expected the same; resample one of them"
        )
    _require_same_place(noisy, truth, f"{image} and the reference")
    inside = _finite(noisy, truth)
    if mask is not None:
        region = read_volume(mask)
        if region.image.shape[1:] != truth.image.shape[1:] or region.image.shape[0] not in (1, truth.image.shape[0]):
            raise InputError(
                f"mask {mask} has shape {tuple(region.image.shape)}: expected {tuple(truth.image.shape)} "
                "as the reference, or one channel of it"
            )
        _require_same_place(region, truth, f"mask {mask} and the reference")
        chosen = region.image.as_tensor() > 0
        if region.finite is not None:
            chosen &= region.finite
        if not bool(chosen.any()):
            raise InputError(f"mask {mask} is empty: expected at least one voxel above 0")
        inside = chosen if inside is None else chosen & inside
    if inside is not None and not bool(inside.any()):
        raise InputError("no voxel in the mask has a value in both images: nothing can be compared")
    return reference_scores(noisy.image, truth.image, data_range, inside, truth.slice_axis)


def _finite(noisy: Volume, truth: Volume) -> torch.Tensor | None:
    """Where both have a value; None for everywhere."""
    if noisy.finite is None or truth.finite is None:
        return truth.finite if noisy.finite is None else noisy.finite
    return noisy.finite & truth.finite


def _require_same_place(one: Volume, two: Volume, names: str) -> None:
    """Compare where the corners of two volumes of one shape lie."""
    shape = [*two.image.shape[1:], 1][:3]
    corners = np.array([[*corner, 1.0] for corner in itertools.product(*((0.0, n - 1.0) for n in shape))])
    apart = (np.asarray(one.image.affine) - np.asarray(two.image.affine)) @ corners.T
    worst = float(np.linalg.norm(apart[:3], axis=0).max())
    # Written so that a NaN in an affine is refused as well.
    if not worst <= _TOLERANCE * min(two.spacing):
        raise InputError(
            f"{names} lie {worst:.3g} mm apart at a corner: expected the same affine; resample one of them"
        )

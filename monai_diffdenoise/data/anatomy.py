# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Between the axes of a file, whose space usually is LPS (as in DICOM and ITK), and this package's RAS millimeters."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError

__all__ = ["LPS", "ras_affine", "space_axes", "stated_spacing", "warn_of_lost_place"]

# Larger lengths and positions, mm, are no body's.
_FAR = 1e9

LPS = (-1.0, -1.0, 1.0)
"""Signs that turn left-posterior-superior into right-anterior-superior, and back."""


def ras_affine(
    steps: np.ndarray, origin: Sequence[float] | np.ndarray, signs: Sequence[float], name: str
) -> np.ndarray:
    """The affine of a file that gives a vector per axis.

    Args:
        steps: (dims, axes): column by column, the way from a voxel to the next, mm; dims and axes are 2 or 3. A plane
            in space gets its normal, 1 mm long, as the third axis.
        origin: (dims,), where the first voxel lies, mm.
        signs: what turns each coordinate of the file's space into RAS.
        name: how messages call the file.

    Returns:
        (4, 4), voxel indices to RAS millimeters.

    Raises:
        InputError: numbers that are not finite, or axes that do not span the space.
    """
    dims, axes = steps.shape
    if not (np.abs(steps).max() < _FAR and np.abs(origin).max() < _FAR):
        raise InputError(f"{name} has a damaged geometry: expected finite positions and spacings in millimeters")
    affine = np.eye(4)
    affine[:dims, :axes], affine[:dims, 3] = steps, origin
    if dims == 3 and axes == 2:
        normal = np.cross(steps[:, 0], steps[:, 1])
        length = np.linalg.norm(normal)
        affine[:3, 2] = normal / length if length > 0 else 0.0
    affine[:3] *= np.array(signs)[:, None]
    if dims == 2:
        # The third axis is of no meaning; it must not make the plane left-handed.
        affine[2, 2] = 1.0
    if not abs(np.linalg.det(affine[:3, :3])) > 0:
        raise InputError(f"{name} has a damaged geometry: expected spacings and directions that span the space")
    return affine


def space_axes(volume: Volume) -> tuple[np.ndarray, np.ndarray, int]:
    """The opposite of :func:`ras_affine`, for LPS.

    Args:
        volume: 2 or 3 spatial axes.

    Returns:
        steps (dims, dims) and origin (dims,) in LPS millimeters, and dims: 2 only for a plane that lies in the plane of
        the first two coordinates; every other plane is one slice of three axes.
    """
    affine = volume.image.affine.numpy().astype(np.float64)
    lps = np.diag([*LPS, 1.0]) @ affine
    flat = volume.spatial_dims == 2 and not lps[2, :2].any() and lps[2, 3] == 0
    dims = 2 if flat else 3
    # Adding zero turns the -0.0 of a flipped sign into 0.0.
    return lps[:dims, :dims] + 0.0, lps[:dims, 3] + 0.0, dims


def stated_spacing(volume: Volume, steps: np.ndarray) -> np.ndarray:
    """Lengths of the steps, mm, in the digits that the source gave where these say the same.

    Args:
        volume: whose spacing is given.
        steps: see :func:`space_axes`.
    """
    lengths = np.linalg.norm(steps, axis=0)
    given = np.array([*volume.spacing, *lengths[len(volume.spacing) :]])
    return np.where(np.isclose(lengths, given, rtol=1e-6, atol=0.0), given, lengths)


def warn_of_lost_place(volume: Volume, title: str) -> None:
    """Warn when a volume that lies somewhere in space goes into a format that keeps the size of its voxels only.

    Args:
        volume: what is written.
        title: name of the format.
    """
    plain = np.diag([s * sign for s, sign in zip(volume.spacing, LPS, strict=False)])
    dims = len(volume.spacing)
    affine = volume.image.affine.numpy()
    # A picture without a place is read as lying at the origin, along the axes.
    if not (np.allclose(affine[:dims, :dims], plain) and np.allclose(affine[:3, 3], 0)):
        warnings.warn(
            f"{title} keeps the size of the voxels only: position and orientation in the patient are lost", stacklevel=3
        )

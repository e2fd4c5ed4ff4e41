# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Order the slices of a series in space and say where they lie.

Everything is measured in DICOM's patient coordinates (LPS, mm) and turned into RAS at the end. Image axes: x runs along
a row (DICOM columns), y down a column (DICOM rows), z from slice to slice along the normal ``row x column``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.errors import InputError

__all__ = ["stack_slices"]

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Direction cosines of one series differ by their printed digits only; a tenth of a degree is another orientation.
_SAME_DIRECTION = 2e-3
_SAME_SPACING = 1e-3
# Slice positions are rounded by some scanners (a few percent of the distance); a lost slice doubles one gap.
_EVEN_GAPS = 0.05
_DUPLICATE = 1e-3


def stack_slices(slices: Sequence[Slice]) -> tuple[list[Slice], np.ndarray, tuple[float, float, float]]:
    """Sort the slices of one series and compute their common geometry.

    Args:
        slices: at least one slice, in any order.

    Returns:
        the slices in the order of their position along the normal, the affine (4 x 4, indices (x, y, z) to RAS mm;
        sheared for a tilted gantry), and the spacing (x, y, distance of the slice planes) in mm.

    Raises:
        InputError: slices of different sizes, orientations or spacings; missing, repeated or misplaced slices.
    """
    first = slices[0]
    if any((s.rows, s.columns) != (first.rows, first.columns) for s in slices):
        sizes = sorted({f"{s.columns}x{s.rows}" for s in slices})
        raise InputError(f"slices of one series have different sizes ({', '.join(sizes)}): expected one size")
    if len(slices) > 1 and any(s.position is None or s.orientation is None for s in slices):
        raise InputError(
            f"{len(slices)} images of one series have no position in space: expected a stack of slices; "
            "give one image at a time"
        )
    row, column = _directions(slices)
    down, across = _common_spacing(slices)
    normal = np.cross(row, column)
    if len(slices) == 1:
        distance = first.thickness or 1.0
        step, origin, ordered = normal * distance, first.position, [first]
    else:
        ordered = sorted(slices, key=lambda s: float(np.dot(_position(s), normal)))
        step = _step(ordered, normal, min(down, across))
        origin, distance = _position(ordered[0]), float(np.dot(step, normal))
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = row * across, column * down, step
    if origin is not None:
        affine[:3, 3] = origin
    return ordered, _LPS_TO_RAS @ affine, (across, down, distance)


def _position(item: Slice) -> np.ndarray:
    assert item.position is not None
    return item.position


def _common_spacing(slices: Sequence[Slice]) -> tuple[float, float]:
    spacings = np.array([s.spacing or (1.0, 1.0) for s in slices])
    if np.abs(spacings / spacings[0] - 1).max() > _SAME_SPACING:
        raise InputError("slices of one series have different pixel spacings: expected one; split the series first")
    return float(spacings[0, 0]), float(spacings[0, 1])


def _directions(slices: Sequence[Slice]) -> tuple[np.ndarray, np.ndarray]:
    given = [s.orientation for s in slices if s.orientation is not None]
    if not given:
        return np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    for item in slices:
        if item.orientation is None:
            continue
        row, column = item.orientation[:3], item.orientation[3:]
        lengths = np.linalg.norm(row), np.linalg.norm(column)
        if abs(lengths[0] - 1) > 0.01 or abs(lengths[1] - 1) > 0.01 or abs(np.dot(row, column)) > 0.01:
            raise InputError(f"{item.label} has a damaged ImageOrientationPatient: expected two perpendicular units")
    if max(np.abs(o - given[0]).max() for o in given) > _SAME_DIRECTION:
        raise InputError(
            f"slices of one series lie in different orientations ({len(slices)} slices): expected parallel slices, "
            "not a localizer or a rotation; pick another series or split it"
        )
    row = given[0][:3] / np.linalg.norm(given[0][:3])
    return row, given[0][3:] / np.linalg.norm(given[0][3:])


def _step(ordered: Sequence[Slice], normal: np.ndarray, pixel: float) -> np.ndarray:
    """Vector from slice to slice; InputError if the slices are not evenly spaced on one line."""
    positions = np.array([_position(s) for s in ordered])
    gaps = np.diff(positions @ normal)
    repeated = int((gaps <= _DUPLICATE * gaps.max()).sum()) if gaps.max() > 0 else len(gaps)
    if repeated:
        copies = len(ordered) - len({s.sop_instance for s in ordered if s.sop_instance})
        reason = "copies of the same file" if copies >= repeated else "time points, echoes, or copies"
        raise InputError(
            f"{repeated} of {len(ordered)} slices share their position with another one ({reason}): "
            "expected one slice per position; one volume per series is read for now"
        )
    usual = float(np.median(gaps))
    if np.abs(gaps - usual).max() > _EVEN_GAPS * usual:
        raise InputError(
            f"slices are unevenly spaced: {len(ordered)} slices, usually {usual:.4g} mm apart, but also "
            f"{gaps.min():.4g} to {gaps.max():.4g} mm; expected an even stack; is a slice missing?"
        )
    step = (positions[-1] - positions[0]) / (len(ordered) - 1)
    on_line = positions[0] + np.arange(len(ordered))[:, None] * step
    off = positions - on_line
    sideways = off - (off @ normal)[:, None] * normal
    if np.linalg.norm(sideways, axis=1).max() > max(0.5 * pixel, 0.1 * usual):
        raise InputError("slices are shifted sideways against each other: expected a straight stack")
    return step

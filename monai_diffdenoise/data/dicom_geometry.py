# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Order the slices of a stack in space and say where they lie.

Everything is measured in DICOM's patient coordinates (LPS, mm) and turned into RAS at the end. Image axes: x runs along
a row (DICOM columns), y down a column (DICOM rows), z from slice to slice along the normal ``row x column``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.data.dicom_times import time_points
from monai_diffdenoise.errors import InputError

__all__ = ["Arrangement", "count_positions", "same_place", "stack_slices"]

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Direction cosines of one series differ by their printed digits only; a tenth of a degree is another orientation.
_SAME_DIRECTION = 2e-3
_SAME_SPACING = 1e-3
# Of the width of a pixel: positions are printed with few digits, and slices are never that thin.
_SAME_POSITION = 0.02
# Slice positions are rounded by some scanners (a few percent of the distance); a lost slice doubles one gap.
_EVEN_GAPS = 0.05
_WHOLE_GAPS = 0.1


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Slices in order, and their common geometry.

    Args:
        slices: ``slices[time][position]``, positions along the normal.
        affine: 4 x 4, indices (x, y, z) to RAS mm; sheared for a tilted gantry.
        spacing: (x, y, distance of the slice planes) in mm; the usual distance where they are uneven.
        even: False when slices are missing or unevenly spaced; z then steps by the mean distance.
        notes: what the user should know, one sentence each.
    """

    slices: tuple[tuple[Slice, ...], ...]
    affine: np.ndarray
    spacing: tuple[float, float, float]
    even: bool = True
    notes: tuple[str, ...] = ()


def same_place(one: Slice, other: Slice) -> bool:
    """Whether two slices have the same pixel spacing, and the same orientation if both lie in space."""
    if (one.spacing is None) != (other.spacing is None):
        return False
    if one.spacing is not None and other.spacing is not None:
        ratios = np.divide(one.spacing, other.spacing)
        if np.abs(ratios - 1).max() > _SAME_SPACING:
            return False
    if one.position is None or other.position is None or one.orientation is None or other.orientation is None:
        return True
    return float(np.abs(one.orientation - other.orientation).max()) <= _SAME_DIRECTION


def count_positions(slices: Sequence[Slice]) -> int:
    """How many different positions along their normal the slices of a stack have."""
    row, column = _directions(slices)
    return len(_by_position(slices, np.cross(row, column)))


def stack_slices(slices: Sequence[Slice], uneven: Literal["refuse", "take"] = "refuse") -> Arrangement:
    """Sort the slices of one stack in space and time and compute their common geometry.

    Args:
        slices: at least one slice, in any order, of one size, orientation and pixel spacing; several must lie in space.
        uneven: whether missing or unevenly spaced slices are taken as if they were even.

    Raises:
        InputError: missing, unevenly repeated or misplaced slices.
    """
    row, column = _directions(slices)
    down, across = slices[0].spacing or (1.0, 1.0)
    normal = np.cross(row, column)
    positions = _by_position(slices, normal) if slices[0].position is not None else [list(slices)]
    volumes, notes = time_points(positions)
    first, even = volumes[0][0], True
    if len(positions) == 1:
        distance = first.thickness or 1.0
        step = normal * distance
    else:
        _refuse_sideways(positions, normal, min(down, across))
        distance, gaps = _distance(volumes[0], normal)
        if gaps:
            even = False
            if uneven == "refuse":
                raise InputError(f"slices are unevenly spaced: {gaps}; --uneven take takes them as they are")
            notes.append(f"slices are unevenly spaced: {gaps}; they were taken as if they were even")
        step = (_position(volumes[0][-1]) - _position(first)) / (len(positions) - 1)
        distance = distance if gaps else float(np.dot(step, normal))
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = row * across, column * down, step
    if first.position is not None:
        affine[:3, 3] = first.position
    ordered = tuple(tuple(volume) for volume in volumes)
    return Arrangement(ordered, _LPS_TO_RAS @ affine, (across, down, distance), even, tuple(notes))


def _position(item: Slice) -> np.ndarray:
    assert item.position is not None
    return item.position


def _directions(slices: Sequence[Slice]) -> tuple[np.ndarray, np.ndarray]:
    cosines = slices[0].orientation
    if cosines is None:
        return np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    return cosines[:3] / np.linalg.norm(cosines[:3]), cosines[3:] / np.linalg.norm(cosines[3:])


def _by_position(slices: Sequence[Slice], normal: np.ndarray) -> list[list[Slice]]:
    """Slices at the same height along the normal together, in the order of height."""
    tolerance = _SAME_POSITION * min(slices[0].spacing or (1.0, 1.0))
    heights = np.array([float(np.dot(_position(item), normal)) for item in slices])
    order = np.argsort(heights, kind="stable")
    starts = np.concatenate([[True], np.diff(heights[order]) > tolerance])
    groups: list[list[Slice]] = []
    for index, start in zip(order, starts, strict=True):
        if start:
            groups.append([])
        groups[-1].append(slices[index])
    return groups


def _distance(ordered: Sequence[Slice], normal: np.ndarray) -> tuple[float, str]:
    """Usual distance of the slice planes, and what is uneven about them; empty if nothing is."""
    heights = np.array([float(np.dot(_position(item), normal)) for item in ordered])
    gaps = np.diff(heights)
    # The lower median: of a gap of one and a gap of two distances, the first is the usual one.
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])
    odd = np.flatnonzero(np.abs(gaps - usual) > _EVEN_GAPS * usual)
    if not len(odd):
        return usual, ""
    ratios = gaps[odd] / usual
    lost = np.rint(ratios) - 1
    text = f"{len(ordered)} slices, usually {usual:.4g} mm apart, "
    if (lost >= 1).all() and (np.abs(ratios - np.rint(ratios)) <= _WHOLE_GAPS).all():
        before, after = ordered[odd[0]].label, ordered[odd[0] + 1].label
        more = f" and in {len(odd) - 1} other gap(s)" if len(odd) > 1 else ""
        return usual, text + f"but {int(lost.sum())} missing between {before} and {after}{more}"
    return usual, text + f"but {len(odd)} gap(s) of {gaps[odd].min():.4g} to {gaps[odd].max():.4g} mm; is one missing?"


def _refuse_sideways(positions: Sequence[Sequence[Slice]], normal: np.ndarray, pixel: float) -> None:
    """Refuse slices that do not lie on one straight line, which a tilted gantry makes as well."""
    places = np.array([_position(item) for images in positions for item in images])
    heights = places @ normal
    low, high = int(heights.argmin()), int(heights.argmax())
    along = (heights - heights[low]) / (heights[high] - heights[low])
    off = places - places[low] - along[:, None] * (places[high] - places[low])
    usual = (heights[high] - heights[low]) / (len(positions) - 1)
    if np.linalg.norm(off, axis=1).max() > max(0.5 * pixel, 0.1 * usual):
        raise InputError("slices are shifted sideways against each other: expected a straight stack")

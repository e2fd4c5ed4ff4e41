# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The axes of a NRRD: which are of space, which counts images or components, and where the image lies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from monai_diffdenoise.data.anatomy import LPS, ras_affine
from monai_diffdenoise.errors import InputError

__all__ = ["NrrdAxes", "read_axes"]

_MAX_AXES = 16
_SPATIAL = ("domain", "space")
_SERIES = ("time", "list")
_COLOR = ("rgb-color", "rgba-color", "3-color", "4-color")
_NOT_REAL = ("complex", "hsv-color", "xyz-color", "quaternion")
# Signs that turn the coordinates into RAS. The other spaces that the format knows say nothing of the patient.
_SPACES = {
    "right-anterior-superior": (1.0, 1.0, 1.0),
    "left-anterior-superior": (-1.0, 1.0, 1.0),
    "left-posterior-superior": LPS,
}
_SHORT = {"ras": "right-anterior-superior", "las": "left-anterior-superior", "lps": "left-posterior-superior"}
_MM_PER_UNIT = {"mm": 1.0, "millimeter": 1.0, "um": 1e-3, "\xb5m": 1e-3, "micron": 1e-3, "micrometer": 1e-3, "nm": 1e-6}
_MM_PER_UNIT |= {"cm": 10.0, "centimeter": 10.0, "m": 1000.0, "meter": 1000.0}


@dataclass(frozen=True, eq=False)
class NrrdAxes:
    """What the axes of a NRRD mean.

    Args:
        spatial: voxels along each of the 2 or 3 spatial axes, the fastest first.
        channels: length of the axis that is not of space; 1 when there is none.
        channel_axis: where that axis stands among the spatial ones, the fastest being 0.
        kind: what the channels count.
        color: whether they are red, green, blue and perhaps opacity.
        affine: 4 x 4, voxel indices to RAS millimeters.
        spacing: millimeters per spatial axis.
        notes: what the user should know.
    """

    spatial: tuple[int, ...]
    channels: int
    channel_axis: int
    kind: Literal["time", "component"]
    color: bool
    affine: np.ndarray
    spacing: tuple[float, ...]
    notes: tuple[str, ...]


def read_axes(fields: dict[str, str], name: str) -> NrrdAxes:
    """Interpret the fields that describe axes.

    Args:
        fields: name (lower case, no blanks) -> value.
        name: how messages call the file.

    Raises:
        InputError: damaged fields, or axes that are no image of 2 or 3 spatial axes with at most one more.
    """
    count = _count(fields, "dimension", name)
    sizes = [_whole(word, "sizes", name) for word in fields.get("sizes", "").split()]
    if len(sizes) != count:
        raise InputError(f"{name} has {count} axes but {len(sizes)} sizes: expected one size per axis")
    kinds = fields.get("kinds", "").lower().split() or ["???"] * count
    vectors = _vectors(fields["spacedirections"], name) if "spacedirections" in fields else None
    if len(kinds) != count or (vectors is not None and len(vectors) != count):
        raise InputError(f"{name} has {count} axes but kinds or space directions for another number of axes")
    if bad := next((kind for kind in kinds if kind in _NOT_REAL), None):
        raise InputError(f"{name} has an axis of the kind {bad!r}: expected real numbers; convert it first")
    inside = _spatial_axes(sizes, kinds, vectors)
    others = [axis for axis in range(count) if axis not in inside]
    longer = [axis for axis in others if sizes[axis] > 1]
    if len(longer) > 1 or not 2 <= len(inside) <= 3:
        raise InputError(
            f"{name} has the sizes {tuple(sizes)}, {len(inside)} of them in space: expected 2 or 3 axes of space and "
            "at most one other that is longer than 1; split it"
        )
    axis = longer[0] if longer else count
    place = sum(1 for other in inside if other < axis)
    kind = kinds[axis] if longer else "list"
    series = kind in (*_SERIES, *_SPATIAL) or (kind in ("???", "none") and place == len(inside))
    affine, spacing, notes = _geometry(fields, inside, vectors, name)
    return NrrdAxes(
        spatial=tuple(sizes[i] for i in inside),
        channels=sizes[axis] if longer else 1,
        channel_axis=place,
        kind="time" if series else "component",
        color=kind in _COLOR,
        affine=affine,
        spacing=spacing,
        notes=notes,
    )


def _spatial_axes(sizes: list[int], kinds: list[str], vectors: list[np.ndarray | None] | None) -> list[int]:
    count = len(sizes)
    if vectors is not None:
        # In a space with time (LPST ...) the axis of time has a direction as well: one without a part in space.
        return [i for i, vector in enumerate(vectors) if vector is not None and (len(vector) < 4 or vector[:3].any())]
    inside = [axis for axis in range(count) if kinds[axis] in _SPATIAL]
    if not inside:
        inside = [axis for axis in range(count) if kinds[axis] in ("???", "none")]
    # Without any word about them, the first three axes are those of space.
    return inside[:3]


def _geometry(
    fields: dict[str, str], inside: list[int], vectors: list[np.ndarray | None] | None, name: str
) -> tuple[np.ndarray, tuple[float, ...], tuple[str, ...]]:
    space = fields.get("space", "").lower()
    base = space.removesuffix("-time")
    base = _SHORT.get(base, _SHORT.get(base[:3] if len(base) == 4 and base.endswith("t") else "", base))
    notes = () if base in _SPACES else ("The file does not say how the image lies in the patient.",)
    signs = _SPACES.get(base, LPS)
    if vectors is None:
        spacing, origin = _along_axes(fields, inside, name)
        steps = np.diag(spacing)
        scale = _scale(fields.get("units", ""), inside)
    else:
        columns = [vectors[axis] for axis in inside]
        dims = {len(column) for column in columns if column is not None}
        if len(dims) != 1 or not dims <= {2, 3, 4}:
            raise InputError(f"{name} has space directions of different lengths: expected vectors of 2 or 3 numbers")
        steps = np.array(columns, dtype=np.float64).T[:3]
        given = _vectors(fields["spaceorigin"], name)[0] if "spaceorigin" in fields else None
        origin = np.zeros(len(steps)) if given is None else given[:3]
        scale = _scale(fields.get("spaceunits", ""), list(range(len(steps))))
    if len(origin) != len(steps):
        raise InputError(f"{name} has a space origin of {len(origin)} numbers: expected {len(steps)}")
    affine = ras_affine(steps * scale, origin * scale, signs, name)
    return affine, tuple(float(length) for length in np.linalg.norm(steps * scale, axis=0)), notes


def _along_axes(fields: dict[str, str], inside: list[int], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Spacing and origin of a file that gives numbers per axis, not vectors."""

    def per_axis(field: str) -> np.ndarray:
        words = fields.get(field, "").split()
        try:
            values = np.array([float(words[axis]) for axis in inside]) if words else np.full(len(inside), np.nan)
        except (ValueError, IndexError):
            raise InputError(f"{name} has a damaged header: {field} is not one number per axis") from None
        return values

    spacing, least = per_axis("spacings"), per_axis("axismins")
    if (spacing[np.isfinite(spacing)] == 0).any() or np.isinf(spacing).any():
        raise InputError(f"{name} has the spacings {spacing.tolist()}: expected millimeters other than 0")
    spacing = np.where(np.isnan(spacing), 1.0, spacing)
    centers = (fields.get("centers") or fields.get("centerings") or "").lower().split()
    # An axis minimum is the outer border of the first voxel, unless the samples sit on the nodes of the grid.
    nodes = [len(centers) > axis and centers[axis] == "node" for axis in inside]
    origin = least + np.where(nodes, 0.0, spacing / 2)
    return spacing, np.where(np.isfinite(origin), origin, 0.0)


def _scale(units: str, which: list[int]) -> float:
    words = re.findall(r'"([^"]*)"', units)
    named = {words[i].strip().lower().removesuffix("s") for i in which if i < len(words)}
    # Mixed units would shear the space; nobody writes them on purpose.
    return _MM_PER_UNIT.get(named.pop(), 1.0) if len(named) == 1 else 1.0


def _vectors(text: str, name: str) -> list[np.ndarray | None]:
    """Parse ``(1,0,0) none (0,0,2)``."""
    words = re.findall(r"\([^()]*\)|[^\s()]+", text)
    result: list[np.ndarray | None] = []
    for word in words:
        if word.lower() == "none":
            result.append(None)
            continue
        try:
            result.append(np.array([float(part) for part in word.strip("()").split(",")]))
        except ValueError:
            raise InputError(f"{name} has a damaged header: {word[:40]!r} is not a vector like (1,0,0)") from None
    if not result or not all(vector is None or np.isfinite(vector).all() for vector in result):
        raise InputError(f"{name} has a damaged geometry: expected finite vectors")
    return result


def _count(fields: dict[str, str], field: str, name: str) -> int:
    value = _whole(fields.get(field, ""), field, name)
    if value > _MAX_AXES:
        raise InputError(f"{name} has {value} axes: expected 2 to 4")
    return value


def _whole(word: str, field: str, name: str) -> int:
    if not re.fullmatch(r"\d{1,18}", word, re.ASCII) or int(word) < 1:
        raise InputError(
            f"{name} has a damaged header: {field} holds {word[:40]!r}, expected whole numbers of at least 1"
        )
    return int(word)

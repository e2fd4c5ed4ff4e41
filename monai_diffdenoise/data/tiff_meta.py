# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a TIFF file says about its pages: ImageJ's lines, OME's XML, tifffile's JSON, the resolution tags."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from monai_diffdenoise.errors import InputError

__all__ = ["TiffMeta", "axes_of_pages", "voxel_size"]

_MM_PER_UNIT = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0, "nm": 1e-6, "inch": 25.4, "in": 25.4}
_MM_PER_UNIT |= dict.fromkeys(("um", "\xb5m", "\u03bcm", "micron", "micrometer", "\\u00b5m"), 1e-3)
_INCH, _CENTIMETER = 2, 3
# Axes that tifffile names: pages one behind the other, whatever the reason.
_SLICES = "ZIQ"


@dataclass(frozen=True)
class TiffMeta:
    """What stands beside the pixels of the first page.

    Args:
        description: the image description, as text.
        resolution: pixels per unit, x and y; 0 for not given.
        unit: the unit's number: 2 for inch, 3 for centimeter.
    """

    description: str
    resolution: tuple[float, float]
    unit: int


def axes_of_pages(
    axes: str, sizes: Sequence[int], order: Sequence[int], name: str
) -> tuple[np.ndarray, bool, Literal["time", "component"]]:
    """Sort the pages of a file into channels and slices.

    Args:
        axes: tifffile's letters for the axes that the pages count, the slowest first.
        sizes: length of each.
        order: number of each page in the file, in the order of these axes.
        name: how messages call the file.

    Returns:
        page numbers (channels, slices), whether there is no axis of slices, and what the channels count.

    Raises:
        InputError: pages that count more than slices and one thing beside them.
    """
    longer = {letter: size for letter, size in zip(axes, sizes, strict=True) if size > 1}
    depth = [letter for letter in longer if letter in _SLICES]
    others = [letter for letter in longer if letter not in _SLICES]
    if len(depth) > 1 or len(others) > 1 or not set(others) <= {"T", "C"}:
        raise InputError(
            f"{name} has pages along the axes {axes} of sizes {tuple(sizes)}: expected slices (Z) with time points "
            "(T) or channels (C); split it first"
        )
    grid = np.array(order).reshape([size for size in sizes if size > 1])
    letters = list(longer)
    if letters and letters[-1] in others:
        grid = np.moveaxis(grid, -1, 0)
    channels = longer[others[0]] if others else 1
    return grid.reshape(channels, -1), not depth, "component" if others == ["C"] else "time"


def voxel_size(meta: TiffMeta, flat: bool) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Millimeters per voxel along x, y and (unless ``flat``) z, and what the user should know about them."""
    sizes, stated = _in_plane(meta)
    if flat:
        sizes = sizes[:2]
    notes = []
    missing = [axis for axis, size in zip("xyz", sizes, strict=False) if size is None]
    if missing:
        notes.append(f"The file does not state the size of a voxel along {', '.join(missing)}: 1 mm was taken.")
    if stated == "resolution" and sizes[0] is not None:
        notes.append("The pixel size is the stated resolution, which may be that of a screen or printer.")
    return tuple(1.0 if size is None else size for size in sizes), tuple(notes)


def _in_plane(meta: TiffMeta) -> tuple[list[float | None], str]:
    text = meta.description
    if "<Pixels" in text:
        return [_ome_size(text, axis) for axis in "XYZ"], "ome"
    per_pixel = [_positive(1.0 / r) if r > 0 else None for r in meta.resolution]
    said = _key_values(text)
    unit = _MM_PER_UNIT.get(str(said.get("unit", "")).lower())
    if unit is not None:
        lengths = [*per_pixel, _positive(said.get("spacing"))]
        return [None if length is None else length * unit for length in lengths], "unit"
    unit = {_INCH: 25.4, _CENTIMETER: 10.0}.get(meta.unit)
    return [None if unit is None or length is None else length * unit for length in per_pixel] + [None], "resolution"


def _key_values(text: str) -> dict[str, object]:
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
    if not text.startswith("ImageJ="):
        return {}
    return {
        key.strip(): value.strip() for key, mark, value in (line.partition("=") for line in text.splitlines()) if mark
    }


def _ome_size(text: str, axis: str) -> float | None:
    # Two attributes of one element: a parser of XML would bring its own dangers for no more than this.
    element = re.search(r"<Pixels\b[^>]*>", text)
    if element is None:
        return None
    size = re.search(rf'\bPhysicalSize{axis}="([^"]*)"', element[0])
    unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]*)"', element[0])
    length = _positive(size[1]) if size else None
    factor = _MM_PER_UNIT.get(unit[1].lower()) if unit else 1e-3
    return None if length is None or factor is None else length * factor


def _positive(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and 0 < number < 1e12 else None

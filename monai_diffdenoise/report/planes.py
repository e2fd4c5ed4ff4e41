# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Planes of a volume as people look at them: which, which way up, and between which gray values."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack

import numpy as np
import torch

from monai_diffdenoise.data.png_chunks import SIGNATURE, Chunk, chunk_bytes
from monai_diffdenoise.metrics.gates import as_slices
from monai_diffdenoise.transforms.block_noise import foreground_threshold

__all__ = ["PlaneView", "data_address", "gray", "gray_limits", "plane_views"]

_NAMES = {0: "sagittal", 1: "coronal", 2: "axial"}
_ENDS = (("L", "R"), ("P", "A"), ("I", "S"))
# Thinner planes than that are no pictures.
_FEWEST, _LONGEST = 24, 5.0


@dataclass(frozen=True)
class PlaneView:
    """How a plane is cut out of an image (C, *S) and turned.

    Args:
        name: "axial", "coronal" or "sagittal"; "image" where there are two spatial axes.
        axis: spatial axis across the plane; None where there are two.
        index: place along it.
        order: spatial axes of the rows and columns of the picture.
        flips: whether rows and columns run against the axes.
        aspect: width over height of the picture, in millimeters.
        step: every how many pixels are shown.
        ends: letters at the left, right, top and bottom; empty where directions mean nothing.
    """

    name: str
    axis: int | None
    index: int
    order: tuple[int, int]
    flips: tuple[bool, bool]
    aspect: float
    step: int
    ends: tuple[str, str, str, str]

    def cut(self, image: torch.Tensor, channel: int) -> torch.Tensor:
        """The picture (rows, columns) of an image (C, *S), float32."""
        plain = image.as_subclass(torch.Tensor)[channel]
        plane = plain if self.axis is None else plain.select(self.axis, self.index)
        if self.order[0] > self.order[1]:
            plane = plane.T
        plane = plane[:: self.step, :: self.step].float()
        turned = [axis for axis, flip in enumerate(self.flips) if flip]
        return plane.flip(turned) if turned else plane.clone()


def plane_views(
    image: torch.Tensor, affine: torch.Tensor, spacing: Sequence[float], slice_axis: int, pixels: int = 1 << 18
) -> list[PlaneView]:
    """Three planes through the middle of the object, that of the slices first; fewer where there is nothing to see.

    The head is up, the front is up or left, and the patient's right is at the left.

    Args:
        image: (C, *S), in which the middle of the object is looked for.
        affine: 4 x 4, voxel indices to RAS millimeters.
        spacing: millimeters along each spatial axis.
        slice_axis: axis of the slices.
        pixels: most pixels of a picture; of larger planes only every so many pixels are shown. A plane that is the only
            one may have twice as many.
    """
    plain = image.as_subclass(torch.Tensor)
    sizes = plain.shape[1:]
    world = _world_axes(affine)
    if len(sizes) == 2:
        return [_view("image", None, 0, (0, 1), world, sizes, spacing, 2 * pixels, False)]
    center = _center(plain[plain.shape[0] // 2])
    found: list[tuple[int, int, int]] = []
    for axis in sorted(range(3), key=lambda axis: axis != slice_axis):
        one, two = (other for other in range(3) if other != axis)
        wide, tall = sizes[one] * spacing[one], sizes[two] * spacing[two]
        if found and (min(sizes[one], sizes[two]) < _FEWEST or max(wide / tall, tall / wide) > _LONGEST):
            continue
        found.append((axis, one, two))
    most = 2 * pixels if len(found) == 1 else pixels
    return [
        _view(_NAMES[world[axis][0]], axis, center[axis], (one, two), world, sizes, spacing, most, True)
        for axis, one, two in found
    ]


def _view(
    name: str,
    axis: int | None,
    index: int,
    axes: tuple[int, int],
    world: list[tuple[int, bool]],
    sizes: Sequence[int],
    spacing: Sequence[float],
    pixels: int,
    lettered: bool,
) -> PlaneView:
    # sagittal planes have the front at the left, all others the patient's right; rows are the higher of the two
    across, up = sorted(axes, key=lambda one: world[one][0])
    rising_across, rising_up = world[across][1], world[up][1]
    step = 1
    while sizes[across] * sizes[up] / step**2 > pixels:
        step += 1
    # RAS coordinates rise towards the right, the front and the head, which pictures have at their left and top
    flips = (rising_up, rising_across)
    (right, left), (bottom, top) = _ENDS[world[across][0]], _ENDS[world[up][0]]
    aspect = sizes[across] * spacing[across] / (sizes[up] * spacing[up])
    ends = (left, right, top, bottom) if lettered else ("", "", "", "")
    return PlaneView(name, axis, index, (up, across), flips, aspect, step, ends)


def _world_axes(affine: torch.Tensor) -> list[tuple[int, bool]]:
    """For each voxel axis the anatomical one it is closest to, and whether it rises with it."""
    matrix = np.abs(np.asarray(affine, dtype=np.float64)[:3, :3])
    signs = np.asarray(affine, dtype=np.float64)[:3, :3]
    found: list[tuple[int, bool]] = [(0, True), (1, True), (2, True)]
    for _ in range(3):
        row, column = np.unravel_index(int(matrix.argmax()), matrix.shape)
        found[int(column)] = (int(row), bool(signs[row, column] > 0))
        matrix[row], matrix[:, column] = -1.0, -1.0
    return found


def _center(volume: torch.Tensor) -> list[int]:
    """Center of what is brighter than most, of a volume (X, Y, Z)."""
    steps = [max(1, size // 48) for size in volume.shape]
    coarse = volume[:: steps[0], :: steps[1], :: steps[2]].float()
    weight = (coarse - coarse.median()).clamp_min(0.0)
    total = float(weight.sum())
    center = []
    for axis, size in enumerate(volume.shape):
        others = tuple(other for other in range(3) if other != axis)
        places = torch.arange(weight.shape[axis]) * steps[axis]
        middle = float((weight.sum(others) * places).sum()) / total if total > 0 else size / 2
        center.append(min(int(middle), size - 1))
    return center


def gray_limits(image: torch.Tensor, slice_axis: int) -> tuple[float, float]:
    """Values that are shown as black and white: the object's, not those of far darker surroundings.

    Args:
        image: denoised, (C, *S).
        slice_axis: axis of the slices.
    """
    slices = as_slices(image[image.shape[0] // 2 :][:1], slice_axis)
    sample = slices[:: 1 + len(slices) // 32, ::2, ::2].flatten()
    sample = sample[:: 1 + len(sample) // 500_000]
    inside = sample[sample > foreground_threshold(slices[:: 1 + len(slices) // 32].contiguous())]
    inside = inside if len(inside) > 100 else sample
    low, high = (float(q) for q in torch.quantile(inside, torch.tensor([0.02, 0.995])))
    low = max(float(torch.quantile(sample, 0.005)), low - 0.25 * (high - low))
    return (low, high) if high > low else (low, low + 1.0)


def gray(picture: torch.Tensor, low: float, high: float) -> np.ndarray:
    """A picture in 8 bits."""
    return ((picture - low) / (high - low) * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def data_address(pixels: np.ndarray) -> str:
    """A picture in 8 bits, (rows, columns) or (rows, columns, 3), as a PNG inside its own address."""
    rows, columns = pixels.shape[:2]
    raw = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(pixels))
    header = pack(">IIBBBBB", columns, rows, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = (Chunk(b"IHDR", header), Chunk(b"IDAT", zlib.compress(raw, 6)), Chunk(b"IEND", b""))
    return "data:image/png;base64," + base64.b64encode(SIGNATURE + chunk_bytes(chunks)).decode()

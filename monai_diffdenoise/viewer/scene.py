# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What the page shows: volumes side by side, and maps laid over them."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from monai_diffdenoise.data import ReadOptions, Volume, read_volume
from monai_diffdenoise.data.storage import allocate, runs
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.viewer.map_file import read_map

__all__ = ["Scene", "Shown", "load_scene"]

# Browsers keep about 16 drawing contexts alive, and a page with more panes than this is of no use.
_MOST_VOLUMES = 8
# Enough for percentiles of a window; more would only take longer.
_SAMPLES = 1 << 18
_PICTURES = ("png", "tiff")
# A stack whose depth is less than this share of its width is shown in the plane of its slices.
_THIN = 0.25


@dataclass(frozen=True, eq=False)
class Shown:
    """A volume on the page.

    Args:
        volume: its values and geometry.
        label: what the page calls it. Never anything from inside a DICOM file, or the name of one.
    """

    volume: Volume
    label: str

    def facts(self) -> dict[str, Any]:
        """What the page has to know before it loads a voxel; plain JSON types, nothing of the patient."""
        volume = self.volume
        low, high = volume.value_range
        sample = _sample(volume)
        window = [float(value) for value in np.quantile(sample, (0.005, 0.995))]
        return {
            "label": self.label,
            "frames": volume.image.shape[0],
            "frame_kind": "time point" if volume.channels == "time" else "component",
            "shape": [int(size) for size in volume.image.shape[1:]],
            "spacing": [round(float(size), 4) for size in volume.spacing],
            "range": [low, high],
            "window": window if window[0] < window[1] else [low, high if high > low else low + 1],
            "magnitude": float(np.quantile(np.abs(sample), 0.995)) or max(abs(low), abs(high)) or 1.0,
            "signed": low < 0 < high,
            "hounsfield": -5000 < low <= -500 and 100 <= high < 33000,
            "view": _best_view(volume),
            # A picture does not say how it lies in the body; letters for left and right would be made up.
            "oriented": volume.source.format not in _PICTURES,
        }


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that one page shows.

    Args:
        volumes: shown side by side, the first two also one above the other with a slider.
        overlays: maps that can be laid over all of them.
    """

    volumes: tuple[Shown, ...]
    overlays: tuple[Shown, ...] = ()

    def facts(self) -> dict[str, Any]:
        """See :meth:`Shown.facts`."""
        first = self.volumes[0].volume
        return {
            "volumes": [shown.facts() for shown in self.volumes],
            "overlays": [shown.facts() for shown in self.overlays],
            "same_grid": all(_same_grid(first, shown.volume) for shown in self.volumes[1:]),
        }


def load_scene(
    paths: Sequence[Path],
    overlays: Sequence[Path] = (),
    residual: bool = False,
    options: ReadOptions | None = None,
) -> Scene:
    """Read everything that is to be shown.

    Args:
        paths: one to eight images: files, DICOM files, folders with one DICOM series.
        overlays: maps, such as an uncertainty; DICOM Parametric Maps too.
        residual: also show the first volume minus the second one: what was removed.
        options: how to read them all.

    Returns:
        all that the page needs.

    Raises:
        InputError: too many or too few, an image that cannot be read, or no residual between these two.
    """
    if not 1 <= len(paths) <= _MOST_VOLUMES:
        raise InputError(f"got {len(paths)} images to view; expected 1 to {_MOST_VOLUMES}")
    if residual and len(paths) < 2:
        raise InputError("got --residual with one image; expected two, noisy and denoised, to take the difference of")
    shown = [
        Shown(volume, _label(letter, path, volume))
        for letter, path in zip(string.ascii_uppercase, paths, strict=False)
        for volume in [read_volume(path, options=options)]
    ]
    maps = [Shown(_difference(shown[0].volume, shown[1].volume), "Residual (A - B)")] if residual else []
    for number, path in enumerate(overlays, 1):
        name, known = f"Overlay {number}", read_map(path)
        volume = read_volume(path, options=options) if known is None else known
        # the name of a DICOM map is not shown either
        maps.append(Shown(volume, _label(name, path, volume) if known is None else name))
    return Scene(tuple(shown), tuple(maps))


def _label(name: str, path: Path, volume: Volume) -> str:
    # Names of DICOM files and folders are often the patient's.
    return name if volume.source.format == "dicom" else f"{name}: {path.name}"


def _same_grid(one: Volume, other: Volume) -> bool:
    return one.image.shape[1:] == other.image.shape[1:] and torch.allclose(
        one.image.affine.double(), other.image.affine.double(), rtol=1e-4, atol=1e-3
    )


def _difference(noisy: Volume, denoised: Volume) -> Volume:
    if noisy.image.shape != denoised.image.shape or not _same_grid(noisy, denoised):
        raise InputError(
            f"got --residual for images of shape {tuple(noisy.image.shape)} and {tuple(denoised.image.shape)}; "
            "expected two of one shape and position: leave it out, or resample one"
        )
    a, b = noisy.image.as_tensor(), denoised.image.as_tensor()
    values = allocate(a.shape, noisy.slice_axis)
    for index in runs(values, noisy.slice_axis):
        values[index] = a[index] - b[index]
    both = [volume.finite for volume in (noisy, denoised) if volume.finite is not None]
    finite = both[0] if len(both) == 1 else both[0] & both[1] if both else None
    return replace(noisy, image=MetaTensor(values, affine=noisy.image.affine), finite=finite)


def _sample(volume: Volume) -> np.ndarray:
    """Some of the values, evenly spread."""
    image = volume.image.as_tensor()
    step = max(1, int(np.ceil((image.numel() / _SAMPLES) ** (1 / volume.spatial_dims))))
    index = (slice(None), *(slice(size // 2 % min(step, size), None, step) for size in image.shape[1:]))
    values = image[index]
    return (values if volume.finite is None else values[volume.finite[index]]).flatten().numpy()


def _best_view(volume: Volume) -> str:
    """Name of the view that shows most: one plane for a single slice or a thin stack, else all three."""
    if volume.spatial_dims == 2:
        return "axial"
    affine = volume.image.affine.numpy()[:3, :3]
    axis = volume.slice_axis % 3
    sizes = np.abs(np.asarray(volume.image.shape[1:]) * np.linalg.norm(affine, axis=0))
    if volume.image.shape[axis + 1] > 1 and sizes[axis] >= _THIN * np.delete(sizes, axis).max():
        return "multiplanar"
    # The page turns the voxel axes to the nearest axes of the body, one each, as this does.
    return ("sagittal", "coronal", "axial")[_body_axis(affine, axis)]


def _body_axis(affine: np.ndarray, axis: int) -> int:
    """Left-right, back-front or foot-head (0, 1, 2), whichever a voxel axis is nearest to."""
    return int(np.argmax(np.abs(affine[:, axis])))

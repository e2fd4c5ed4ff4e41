# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Maps that lie in DICOM Parametric Maps, as ``denoise --save-uncertainty`` and its like write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from monai_diffdenoise.data import Volume, volume_from_array
from monai_diffdenoise.data.dicom_files import quiet
from monai_diffdenoise.errors import InputError

__all__ = ["read_map"]

_PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
_UNEVEN = 0.01


def read_map(path: Path) -> Volume | None:
    """A Parametric Map of floats, or a folder with one a time point; None for anything else.

    Args:
        path: file or folder.

    Raises:
        InputError: a map without floats or place in space, or maps of one folder that do not fit together.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for file in files:
        try:
            with quiet():
                if str(dcmread(file, specific_tags=["SOPClassUID"]).get("SOPClassUID", "")) != _PARAMETRIC_MAP:
                    return None
                found.append(_values(dcmread(file)))
        except (InvalidDicomError, OSError):
            return None
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                "a parametric map is damaged, or says nothing of its place in space: expected one as denoise writes it"
            ) from error
    if not found:
        return None
    arrays, affines = zip(*found, strict=True)
    if any(one.shape != arrays[0].shape or not np.allclose(to, affines[0]) for one, to in found):
        raise InputError("got a folder of parametric maps that do not lie at one place: name one of its files")
    return volume_from_array(np.stack(arrays), affines[0], 2)


def _values(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """(columns, rows, frames) and the affine to RAS millimeters."""
    if "FloatPixelData" not in dataset:
        raise InputError("got a parametric map of whole numbers; expected floats: convert it to NIfTI")
    shape = int(dataset.NumberOfFrames), int(dataset.Rows), int(dataset.Columns)
    frames = np.frombuffer(dataset.FloatPixelData, "<f4").reshape(shape)
    shared, each = dataset.SharedFunctionalGroupsSequence[0], dataset.PerFrameFunctionalGroupsSequence

    def group(index: int, name: str) -> Any:
        return (each[index] if name in each[index] else shared)[name][0]

    turn = np.asarray(group(0, "PlaneOrientationSequence").ImageOrientationPatient, dtype=np.float64)
    measures = group(0, "PixelMeasuresSequence")
    tall, wide = (float(size) for size in measures.PixelSpacing)
    across, down, normal = turn[:3], turn[3:], np.cross(turn[:3], turn[3:])
    places = np.array([group(k, "PlanePositionSequence").ImagePositionPatient for k in range(len(each))], dtype=float)
    order = np.argsort(places @ normal)
    places = places[order]
    step = normal * float(measures.SliceThickness) if len(places) == 1 else (places[-1] - places[0]) / (len(places) - 1)
    if np.abs(places - (places[0] + np.arange(len(places))[:, None] * step)).max() > _UNEVEN * np.linalg.norm(step):
        raise InputError("got a parametric map whose slices are not evenly spaced: convert it to NIfTI")
    affine = np.eye(4)
    affine[:3] = np.stack([wide * across, tall * down, step, places[0]], axis=1)
    # the patient's left and back are positive in DICOM, right and front in RAS
    affine[:2] *= -1
    return frames[order].transpose(2, 1, 0), affine

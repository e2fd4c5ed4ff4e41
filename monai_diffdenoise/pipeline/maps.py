# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Maps that go with a result (what was removed, what was put back): as image files, or as DICOM Parametric Maps."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import torch

from monai_diffdenoise.data import Volume, check_conversion, check_output, write_volume
from monai_diffdenoise.data.dicom_map import write_parametric_map
from monai_diffdenoise.data.formats import format_of_name, known_endings
from monai_diffdenoise.errors import InputError

__all__ = ["check_map", "write_map"]

_KEPT = "float32"


def check_map(volume: Volume, path: str | os.PathLike[str]) -> None:
    """Refuse a map that could not be written, before any work is done.

    Args:
        volume: what the map will belong to, as read.
        path: a name with an ending of a known format; for a volume from DICOM also a ``.dcm`` file, or a folder, which
            gets one Parametric Map a time point.

    Raises:
        InputError: the format does not go with the volume, or highdicom is not installed.
    """
    if format_of_name(path) is not None:
        check_conversion(volume, path, _KEPT)
        return
    if volume.source.format != "dicom":
        raise InputError(
            f"output {path} would be a DICOM map, but the input is not DICOM: name a file ({known_endings()})"
        )
    if importlib.util.find_spec("highdicom") is None:
        raise InputError(
            "DICOM Parametric Maps need highdicom: install the extra (pip install 'monai-diffdenoise[dicom-maps]'), "
            "or name a .nii.gz file"
        )
    if Path(path).suffix.lower() == ".dcm" and volume.image.shape[0] > 1:
        raise InputError(
            f"output {path} is one file, but the input has {volume.image.shape[0]} time points: name a folder"
        )


def write_map(
    volume: Volume,
    values: torch.Tensor,
    path: str | os.PathLike[str],
    quantity: str,
    *,
    overwrite: bool = False,
    derivation: str = "",
) -> None:
    """Write a map in float32, complete or not at all.

    Args:
        volume: what the map belongs to, as read.
        values: of its image's shape.
        path: see :func:`check_map`.
        quantity: "residual", "share" or "uncertainty".
        overwrite: whether an existing output may be replaced.
        derivation: DICOM: what was done, in one line without patient data.

    Raises:
        InputError: see :func:`check_map`, or the file could not be written.
    """
    if format_of_name(path) is not None:
        write_volume(volume.with_image(values), path, output_dtype=_KEPT, overwrite=overwrite)
        return
    check_output(path, [volume.source.path] if volume.source.path is not None else [], overwrite=overwrite)
    try:
        write_parametric_map(volume, values, path, quantity=quantity, overwrite=overwrite, derivation=derivation)
    except OSError as error:
        raise InputError(f"output {path} could not be written ({error.strerror or error}): nothing is left") from error

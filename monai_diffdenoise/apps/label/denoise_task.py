# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Inference of one method."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from monai_diffdenoise.data import Volume, read_volume, write_volume
from monai_diffdenoise.pipeline import DenoiseSettings, denoise_volume
from monai_diffdenoise.pipeline.model_folder import Model, load_model
from monai_diffdenoise.pipeline.result import Result

__all__ = ["SETTINGS", "DenoiseTask", "settings_of", "trained_model", "write_image"]

SETTINGS = {"preset": "fast", "seed": 0}
"""Settings that clients are shown, with their defaults; any other name of ``DenoiseSettings`` is taken as well."""

_OURS = set(DenoiseSettings.__dataclass_fields__) - {"method", "device"}


def settings_of(request: Mapping[str, Any], method: str) -> DenoiseSettings:
    """The settings of a request; what viewers send along and no setting is called is passed over."""
    given = {name: value for name, value in {**SETTINGS, **request}.items() if name in _OURS}
    device = str(request.get("device") or "auto")
    if device.startswith("cuda") and not torch.cuda.is_available():
        # MONAI Label's clients name a GPU whether there is one or not
        device = "auto"
    given |= {"method": method, "device": device}
    chosen = replace(DenoiseSettings(), **given)
    chosen.check()
    return chosen


def trained_model(folder: Path) -> Model | None:
    """What was trained into a folder; None if nothing was."""
    return load_model(folder) if (folder / "model.json").is_file() else None


def write_image(volume: Volume) -> str:
    """A new float32 NIfTI file with a volume; MONAI Label removes it when it is sent.

    The number type that a request asks for is passed over: viewers ask for uint8 labels.
    """
    descriptor, name = tempfile.mkstemp(suffix=".nii.gz", prefix="diffdenoise-")
    os.close(descriptor)
    write_volume(volume, name, "float32", overwrite=True)
    return name


class DenoiseTask(InferTask):
    """Denoise an image with the trained model, or, while there is none, from itself alone.

    Args:
        method: "ns-n2n", "bsn" or "diffdenoise".
        folder: of the trained model.
    """

    def __init__(self, method: str, folder: Path) -> None:
        # no type of MONAI Label stands for images; this one is not offered by viewers as a segmentation
        super().__init__(InferType.OTHERS, [], 3, f"{method}: denoised image, float32, units of the input", SETTINGS)
        self.method, self.folder = method, folder

    def is_valid(self) -> bool:
        """Always: it never runs with random weights."""
        return True

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Denoise the file or DICOM folder ``request["image"]``.

        Returns:
            a NIfTI file, and what was done.

        Raises:
            InputError: an image that cannot be read or denoised.
        """
        result, told = self.denoise(request)
        derived = request.get("derived_folder")
        if derived:
            write_volume(result.volume, derived)
        return write_image(result.volume), told

    def denoise(self, request: Mapping[str, Any]) -> tuple[Result, dict[str, Any]]:
        """The result of a request, and what a client is told about it."""
        model = trained_model(self.folder)
        settings = settings_of(request, "auto" if model is not None else self.method)
        result = denoise_volume(read_volume(request["image"]), settings, model=model)
        report = result.report
        return result, {
            "kind": "image",
            "dtype": "float32",
            "model": "trained" if model is not None else "learned from the image itself",
            "plan": report["plan"]["reasons"],
            "sigma": report["plan"]["sigma"],
            "seconds": report["timings_s"],
            "warnings": report["warnings"],
        }

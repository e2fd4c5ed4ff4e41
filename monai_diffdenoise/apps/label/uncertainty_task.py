# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How far the trained model agrees with itself: a map, and a number."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from monai_diffdenoise.apps.label.denoise_task import SETTINGS, settings_of, trained_model, write_image
from monai_diffdenoise.data import Volume, read_volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline import denoise_volume
from monai_diffdenoise.pipeline.model_folder import Model

__all__ = ["UncertaintyTask", "disagreement"]

# Mirrored within the slice, along one axis, the other, and both.
_MIRRORED: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (1, 2))


def disagreement(volume: Volume, model: Model, request: Mapping[str, Any]) -> tuple[torch.Tensor, float]:
    """Standard deviation over mirrored copies of the volume.

    It shows where the model is not sure, not how wrong it is: what all copies get wrong is not in it.

    Args:
        volume: as read.
        model: trained.
        request: settings.

    Returns:
        (C, *spatial) in input units, and its root mean square in units of the noise.
    """
    settings = settings_of(request, "auto")
    total = torch.zeros(volume.image.shape)
    squares = torch.zeros_like(total)
    sigma = 0.0
    for axes in _MIRRORED:
        image = volume.image.as_tensor().flip(axes) if axes else volume.image.as_tensor()
        result = denoise_volume(volume.with_image(image), settings, model=model)
        found = result.image.as_tensor().flip(axes) if axes else result.image.as_tensor()
        # the change, so that no digits are lost
        change = found - volume.image.as_tensor()
        total += change
        squares += change.square()
        sigma = float(result.report["plan"]["sigma"] or 0.0)
    count = len(_MIRRORED)
    spread = (squares / count - (total / count).square()).clamp_min(0).mul(count / (count - 1)).sqrt()
    return spread, float(spread.square().mean().sqrt()) / sigma if sigma > 0 else 0.0


class UncertaintyTask(InferTask):
    """The map of :func:`disagreement`; there once a model was trained.

    Args:
        folder: of the trained model.
    """

    def __init__(self, folder: Path) -> None:
        told = "how far the trained model's results on mirrored copies differ: image, float32, units of the input"
        super().__init__(InferType.OTHERS, [], 3, told, SETTINGS)
        self.folder = folder

    def is_valid(self) -> bool:
        """Whether a model was trained."""
        return trained_model(self.folder) is not None

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """A NIfTI file with the map of ``request["image"]``, and its mean in units of the noise.

        Raises:
            InputError: no model, or an image that cannot be read or denoised.
        """
        model = trained_model(self.folder)
        if model is None:
            raise InputError("got no trained model diffdenoise; train it first")
        volume = read_volume(request["image"])
        spread, relative = disagreement(volume, model, request)
        told = {"kind": "image", "dtype": "float32", "disagreement_over_noise": relative}
        return write_image(volume.with_image(spread)), told

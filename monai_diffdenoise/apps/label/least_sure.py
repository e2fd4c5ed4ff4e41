# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Bring up the image that the model is least sure of."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy

from monai_diffdenoise.apps.label.denoise_task import trained_model
from monai_diffdenoise.apps.label.derived import noisy_images, place_of
from monai_diffdenoise.apps.label.uncertainty_task import disagreement
from monai_diffdenoise.data import read_volume

__all__ = ["Disagreement", "LeastSure"]

_SCORE, _MODEL = "disagreement_over_noise", "scored_by"


class Disagreement(ScoringMethod):
    """Give each image the disagreement of the trained model with itself, once for each model.

    Args:
        folder: of the trained model.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__("disagreement of the trained model on mirrored copies, over the noise")
        self.folder = folder

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """Score the images that this model has not scored."""
        model = trained_model(self.folder)
        if model is None:
            return {"executed": 0, "reason": "no trained model diffdenoise yet"}
        stamp, started, done = (self.folder / "model.json").stat().st_mtime_ns, time.perf_counter(), 0
        for name in noisy_images(datastore):
            if datastore.get_image_info(name).get(_MODEL) == stamp:
                continue
            _, score = disagreement(read_volume(place_of(datastore, name)), model, request)
            datastore.update_image_info(name, {_SCORE: score, _MODEL: stamp})
            done += 1
        return {"executed": done, "seconds": round(time.perf_counter() - started, 1)}


class LeastSure(Strategy):
    """The image with the largest score; any that was not scored yet comes first."""

    def __init__(self) -> None:
        super().__init__("image that the denoiser is least sure of")

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any] | None:
        """The name of the image, and its score."""
        scores = {name: datastore.get_image_info(name).get(_SCORE, float("inf")) for name in noisy_images(datastore)}
        if not scores:
            return None
        name = max(scores, key=lambda key: scores[key])
        return {"id": name, **({_SCORE: scores[name]} if scores[name] != float("inf") else {})}

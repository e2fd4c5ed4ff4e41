# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The one number that a conditional diffusion model's weights do not tell: in which units it sees the world."""

from __future__ import annotations

import json
import math
from pathlib import Path

import ignite.distributed as idist
from ignite.engine import Engine, Events

from monai_diffdenoise.data.atomic import atomic_file
from monai_diffdenoise.errors import InputError

__all__ = ["KeepScale", "read_scale"]

_NAME = "scale.json"


class KeepScale:
    """Handler of the trainer: write the scale beside the weights when training starts.

    Args:
        scale: see :class:`~monai_diffdenoise.inferers.DiffusionState`.
        folder: gets ``scale.json``.
    """

    def __init__(self, scale: float, folder: str | Path) -> None:
        self.scale, self.folder = float(scale), Path(folder)

    def attach(self, engine: Engine) -> None:
        """Write when the engine starts."""
        engine.add_event_handler(Events.STARTED, lambda _: self.write())

    def write(self) -> None:
        """Write ``scale.json``; only the first process does."""
        if idist.get_rank() == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_file(self.folder / _NAME, overwrite=True) as stream:
                stream.write(json.dumps({"scale": self.scale}).encode())


def read_scale(checkpoint: str | Path) -> float:
    """The scale that training wrote beside a checkpoint.

    Raises:
        InputError: it is not there, or is no number above 0.
    """
    path = Path(checkpoint).parent / _NAME
    try:
        scale = float(json.loads(path.read_text(encoding="utf-8"))["scale"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"got no {path} that holds a scale; expected what training wrote beside the weights: keep both together"
        ) from error
    if not (math.isfinite(scale) and scale > 0):
        raise InputError(f"got a scale of {scale} in {path}; expected a number above 0")
    return scale

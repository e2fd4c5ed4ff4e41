# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether signal-dependent noise is brought to one strength before it is removed."""

from __future__ import annotations

from typing import Any

from monai_diffdenoise.analysis import NoiseMeasurement
from monai_diffdenoise.pipeline.noise_advice import NoiseAdvice
from monai_diffdenoise.pipeline.settings import DenoiseSettings

__all__ = ["choose_stabilizer"]


def choose_stabilizer(
    settings: DenoiseSettings, noise: NoiseMeasurement, advice: NoiseAdvice
) -> tuple[dict[str, Any] | None, str]:
    """The stabilizer of a run, as :func:`~monai_diffdenoise.transforms.make_stabilizer` takes it, and why.

    A wrong law bends an image for nothing, so by default it must be certain, and seen between slices or repeats.

    Args:
        settings: ``stabilize``.
        noise: of the input.
        advice: what it asks for.

    Returns:
        None and no sentence where noise has one strength.
    """
    if advice.stabilizer is None:
        return None, ""
    why = advice.reasons["stabilizer"]
    if settings.stabilize == "off":
        return None, f"no variance stabilization, switched off: {why}"
    if settings.stabilize == "auto" and not (noise.certain and noise.basis in ("slices", "repeats")):
        return None, f"no variance stabilization, the law of the noise is not sure enough: {why}"
    return advice.stabilizer, why

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether signal-dependent noise is brought to one strength before it is removed."""

from __future__ import annotations

from typing import Any

from monai_diffdenoise.analysis import NoiseMeasurement
from monai_diffdenoise.pipeline.noise_advice import NoiseAdvice
from monai_diffdenoise.pipeline.settings import DenoiseSettings

__all__ = ["choose_stabilizer"]

# Magnitudes stand on a floor that no average removes: there the way back takes away a bias. For the other laws a short
# training loses as often as it gains (ICBM152 crop 64 x 64 x 16, blind-spot network of 120 steps, decibels without and
# with: Poisson 0.1 28.70 and 28.18, 0.2 25.77 and 25.21, Gamma 0.1 28.12 and 28.37, 0.2 24.37 and 24.45).
_PAYS = ("rician",)
# Darkest signal over the noise: further from the floor a magnitude cannot be told from Gaussian noise, and taking the
# one for the other would make a bias where there was none.
_NEAR_FLOOR = 2.5


def choose_stabilizer(
    settings: DenoiseSettings, noise: NoiseMeasurement, advice: NoiseAdvice
) -> tuple[dict[str, Any] | None, str]:
    """The stabilizer of a run, as :func:`~monai_diffdenoise.transforms.make_stabilizer` takes it, and why.

    By default only where it takes away a bias, and by a law that is certain and was seen between slices or repeats: a
    wrong one bends the image for nothing.

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
    if settings.stabilize == "auto" and advice.stabilizer["kind"] not in _PAYS:
        return None, f"no variance stabilization, which for this law pays as often as not: {why}"
    sure = noise.certain and noise.basis in ("slices", "repeats")
    if settings.stabilize == "auto" and not (
        sure and float(noise.curve.mean.min()) < _NEAR_FLOOR * advice.stabilizer["sigma"]
    ):
        return None, f"no variance stabilization, the law of the noise is not sure enough: {why}"
    return advice.stabilizer, why

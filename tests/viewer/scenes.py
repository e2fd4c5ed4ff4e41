# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Scenes that several browser tests open."""

from __future__ import annotations

import numpy as np

from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.viewer import Scene, Shown

__all__ = ["BALL", "NOISY", "PAIR", "PLAIN", "SHAPE", "shown"]

SHAPE = (24, 22, 20)
RNG = np.random.default_rng(0)
BALL = (np.sum((np.indices(SHAPE) - np.reshape(SHAPE, (3, 1, 1, 1)) / 2) ** 2, axis=0) < 60).astype(np.float32)
NOISY = 100 * BALL + RNG.normal(0, 10, SHAPE).astype(np.float32)


def shown(label: str, array: np.ndarray, spacing: float = 2.0) -> Shown:
    """An array (X, Y, Z) or (C, X, Y, Z) as a volume of the page."""
    array = array if array.ndim == 4 else array[None]
    return Shown(volume_from_array(array, np.diag([spacing, spacing, spacing, 1.0])), label)


PAIR = Scene((shown("A: noisy", NOISY), shown("B: denoised", 100 * BALL)), (shown("Residual", NOISY - 100 * BALL),))
PLAIN = Scene((shown("A: bright", np.full(SHAPE, 90.0)), shown("B: dark", np.full(SHAPE, 10.0))))

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a preset stands for, method by method."""

from __future__ import annotations

from typing import Any

__all__ = ["PRESETS"]

_SAME: dict[str, Any] = {"batch_size": 8, "augment_inference": False}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "ns-n2n": {
        "fast": {**_SAME, "iterations": 500, "channels": 8, "patch_size": 48, "learning_rate": 4e-3},
        "balanced": {**_SAME, "iterations": 1400, "channels": 8, "patch_size": 48, "learning_rate": 4e-3},
        "best": {**_SAME, "iterations": 6000, "channels": 16, "patch_size": 48, "learning_rate": 4e-3},
    },
    "bsn": {
        "fast": {**_SAME, "iterations": 700, "channels": 8, "patch_size": 48, "learning_rate": 5e-3},
        "balanced": {**_SAME, "iterations": 2200, "channels": 8, "patch_size": 48, "learning_rate": 5e-3},
        "best": {
            **_SAME,
            "iterations": 8000,
            "channels": 16,
            "patch_size": 64,
            "learning_rate": 4e-3,
            "augment_inference": True,
        },
    },
}
"""By method and preset: values for the settings that were left open. One that is set by itself wins."""

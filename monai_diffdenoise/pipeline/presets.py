# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a preset stands for: by method, and by network for those that are made for GPUs."""

from __future__ import annotations

from typing import Any

__all__ = ["PRESETS"]

_SAME: dict[str, Any] = {"batch_size": 8, "augment_inference": False}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "ns-n2n": {
        "fast": {**_SAME, "iterations": 500, "channels": 8, "patch_size": 48, "learning_rate": 4e-3},
        "balanced": {**_SAME, "iterations": 1400, "channels": 8, "patch_size": 48, "learning_rate": 2e-3},
        "best": {**_SAME, "iterations": 6000, "channels": 16, "patch_size": 48, "learning_rate": 1e-3},
    },
    "bsn": {
        "fast": {**_SAME, "iterations": 400, "channels": 16, "patch_size": 48, "learning_rate": 2e-3},
        "balanced": {
            **_SAME,
            "iterations": 1100,
            "channels": 16,
            "patch_size": 48,
            "learning_rate": 1.2e-3,
            "augment_inference": True,
        },
        "best": {
            **_SAME,
            "iterations": 6000,
            "channels": 24,
            "patch_size": 64,
            "learning_rate": 8e-4,
            "augment_inference": True,
        },
    },
    "puca": {
        "fast": {**_SAME, "iterations": 600, "channels": 16, "patch_size": 48, "learning_rate": 2e-3},
        "balanced": {**_SAME, "iterations": 6000, "channels": 64, "patch_size": 96, "learning_rate": 1e-3},
        "best": {**_SAME, "iterations": 40000, "channels": 128, "patch_size": 120, "learning_rate": 5e-4},
    },
    "lg-bpn": {
        "fast": {**_SAME, "iterations": 400, "channels": 16, "patch_size": 48, "learning_rate": 2e-3},
        "balanced": {**_SAME, "iterations": 6000, "channels": 64, "patch_size": 96, "learning_rate": 5e-4},
        "best": {**_SAME, "iterations": 40000, "channels": 128, "patch_size": 120, "learning_rate": 1e-4},
    },
}
"""By method or large network, and preset: values for settings that were left open. One that is set by itself wins."""

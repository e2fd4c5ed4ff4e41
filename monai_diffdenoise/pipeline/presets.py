# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a preset stands for, method by method."""

from __future__ import annotations

from typing import Any

__all__ = ["PRESETS"]

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "ns-n2n": {
        "fast": {"iterations": 500, "channels": 8, "batch_size": 8, "patch_size": 48, "learning_rate": 4e-3},
        "balanced": {"iterations": 1400, "channels": 8, "batch_size": 8, "patch_size": 48, "learning_rate": 4e-3},
        "best": {"iterations": 6000, "channels": 16, "batch_size": 8, "patch_size": 48, "learning_rate": 4e-3},
    },
    "bsn": {
        "fast": {"iterations": 400, "channels": 16, "batch_size": 8, "patch_size": 48, "learning_rate": 3e-3},
        "balanced": {"iterations": 1200, "channels": 16, "batch_size": 8, "patch_size": 48, "learning_rate": 3e-3},
        "best": {"iterations": 6000, "channels": 32, "batch_size": 8, "patch_size": 64, "learning_rate": 2e-3},
    },
}
"""By method and preset: values for the settings that were left open. One that is set by itself wins."""

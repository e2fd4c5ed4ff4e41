# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a preset stands for in the stages of DiffDenoise that come after the blind-spot network."""

from __future__ import annotations

from typing import Any

__all__ = ["STAGE_PRESETS", "STUDENT_SIZES"]

STAGE_PRESETS: dict[str, dict[str, Any]] = {
    "fast": {
        "recorruptions": 4,
        "diffusion_iterations": 400,
        "diffusion_channels": 16,
        "sampling_steps": 1,
        "symmetric_pairs": 1,
        # in this time it stays behind what it learns from; a fit trains it all the same
        "student": False,
        "student_iterations": 1500,
        "student_size": "small",
    },
    "balanced": {
        "recorruptions": 4,
        # three times as many gain nothing on a volume, and on a slice they learn noise back
        "diffusion_iterations": 400,
        "diffusion_channels": 16,
        "sampling_steps": 1,
        "symmetric_pairs": 1,
        "student": True,
        "student_iterations": 1500,
        "student_size": "small",
    },
    "best": {
        "recorruptions": 8,
        "diffusion_iterations": 400,
        "diffusion_channels": 32,
        "sampling_steps": 1,
        "symmetric_pairs": 1,
        "student": True,
        "student_iterations": 4000,
        "student_size": "medium",
    },
}
"""By preset: values for settings that were left open. One that is set by itself wins."""

STUDENT_SIZES: dict[str, dict[str, Any]] = {
    "small": {"channels": 16, "encoder": [1, 1], "middle": 2, "decoder": [1, 1]},
    "medium": {"channels": 32, "encoder": [1, 1], "middle": 2, "decoder": [1, 1]},
    # as published
    "large": {"channels": 32, "encoder": [2, 2, 4, 8], "middle": 12, "decoder": [2, 2, 2, 2]},
}
"""Widths and depths of :class:`~monai_diffdenoise.networks.NAFNet` by the setting ``student_size``."""

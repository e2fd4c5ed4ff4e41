# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a preset stands for in the stages of DiffDenoise that come after the blind-spot network."""

from __future__ import annotations

from typing import Any

__all__ = ["STAGE_PRESETS"]

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
        "student_channels": 16,
    },
    "balanced": {
        "recorruptions": 4,
        "diffusion_iterations": 1600,
        "diffusion_channels": 16,
        "sampling_steps": 1,
        "symmetric_pairs": 1,
        "student": True,
        "student_iterations": 4000,
        "student_channels": 16,
    },
    "best": {
        "recorruptions": 8,
        "diffusion_iterations": 10000,
        "diffusion_channels": 32,
        "sampling_steps": 1,
        "symmetric_pairs": 1,
        "student": True,
        "student_iterations": 12000,
        "student_channels": 32,
    },
}
"""By preset: values for settings that were left open. One that is set by itself wins."""

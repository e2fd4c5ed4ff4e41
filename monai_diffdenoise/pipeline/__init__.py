# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings, plans and whole runs.

Names load when they are first used: the command line reads the settings for its help long before it needs torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "PRESETS",
    "ConditionedSampling",
    "Conditions",
    "DenoiseSettings",
    "KeepScale",
    "Model",
    "Plan",
    "PosteriorFusiond",
    "Result",
    "SaveSpreadd",
    "TargetGeneration",
    "denoise",
    "denoise_volume",
    "fingerprint",
    "first_network",
    "fit",
    "load_model",
    "make_plan",
    "make_sampler",
    "make_training_inferer",
    "prepare_conditions",
    "prepare_targets",
    "prepare_volumes",
    "read_scale",
    "resolve",
    "save_model",
]

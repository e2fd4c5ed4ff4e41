# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings, plans and whole runs.

Names load when they are first used: the command line reads the settings for its help long before it needs torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_diffdenoise.pipeline.fusion_transform import PosteriorFusiond
    from monai_diffdenoise.pipeline.model_folder import Model, load_model, save_model
    from monai_diffdenoise.pipeline.plan import Plan, make_plan
    from monai_diffdenoise.pipeline.presets import PRESETS
    from monai_diffdenoise.pipeline.result import Result
    from monai_diffdenoise.pipeline.run import denoise, denoise_volume
    from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve
    from monai_diffdenoise.pipeline.training_volumes import fingerprint, prepare_volumes

__all__ = [
    "PRESETS",
    "DenoiseSettings",
    "Model",
    "Plan",
    "PosteriorFusiond",
    "Result",
    "denoise",
    "denoise_volume",
    "fingerprint",
    "load_model",
    "make_plan",
    "prepare_volumes",
    "resolve",
    "save_model",
]

_HOME = {
    "PRESETS": "presets",
    "DenoiseSettings": "settings",
    "Model": "model_folder",
    "Plan": "plan",
    "PosteriorFusiond": "fusion_transform",
    "Result": "result",
    "denoise": "run",
    "denoise_volume": "run",
    "fingerprint": "training_volumes",
    "load_model": "model_folder",
    "make_plan": "plan",
    "prepare_volumes": "training_volumes",
    "resolve": "settings",
    "save_model": "model_folder",
}


def __getattr__(name: str) -> Any:
    """Load a public name from the module that holds it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings, plans and whole runs.

Names load when they are first used: the command line reads the settings for its help long before it needs torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_diffdenoise.pipeline.condition_data import Conditions, first_network, prepare_conditions
    from monai_diffdenoise.pipeline.conditioned_sampling import ConditionedSampling
    from monai_diffdenoise.pipeline.diffusion_scale import KeepScale, read_scale
    from monai_diffdenoise.pipeline.export import export_model
    from monai_diffdenoise.pipeline.fusion_transform import PosteriorFusiond
    from monai_diffdenoise.pipeline.model_folder import Model, load_model, save_model
    from monai_diffdenoise.pipeline.plan import Plan, make_plan
    from monai_diffdenoise.pipeline.presets import PRESETS
    from monai_diffdenoise.pipeline.result import Result
    from monai_diffdenoise.pipeline.run import denoise, denoise_volume
    from monai_diffdenoise.pipeline.samplers import make_sampler, make_training_inferer
    from monai_diffdenoise.pipeline.save_spread import SaveSpreadd
    from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve
    from monai_diffdenoise.pipeline.target_folder import TargetGeneration, prepare_targets
    from monai_diffdenoise.pipeline.training_volumes import fingerprint, prepare_volumes

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
    "export_model",
    "fingerprint",
    "first_network",
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

_HOME = {
    "PRESETS": "presets",
    "ConditionedSampling": "conditioned_sampling",
    "Conditions": "condition_data",
    "DenoiseSettings": "settings",
    "KeepScale": "diffusion_scale",
    "Model": "model_folder",
    "Plan": "plan",
    "PosteriorFusiond": "fusion_transform",
    "Result": "result",
    "SaveSpreadd": "save_spread",
    "TargetGeneration": "target_folder",
    "denoise": "run",
    "denoise_volume": "run",
    "export_model": "export",
    "fingerprint": "training_volumes",
    "first_network": "condition_data",
    "load_model": "model_folder",
    "make_plan": "plan",
    "make_sampler": "samplers",
    "make_training_inferer": "samplers",
    "prepare_conditions": "condition_data",
    "prepare_targets": "target_folder",
    "prepare_volumes": "training_volumes",
    "read_scale": "diffusion_scale",
    "resolve": "settings",
    "save_model": "model_folder",
}


def __getattr__(name: str) -> Any:
    """Load a public name from the module that holds it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

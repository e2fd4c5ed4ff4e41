# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Posterior fusion as a postprocessing step of a bundle."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_diffdenoise.data.memory import volume_from_array
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.plan import make_plan
from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve
from monai_diffdenoise.pipeline.zero_shot import ZeroShot

__all__ = ["PosteriorFusiond"]


class PosteriorFusiond(MapTransform):
    """Give back to a denoised volume what was removed beyond the measured noise, as ``diffdenoise denoise`` does.

    The noise is measured between slices where they can be compared, else within them. A volume whose noise cannot be
    measured (too small, or none in it) passes unchanged, and the log says so.

    Args:
        keys: where the denoised volumes are, (C, X, Y, slices) in the units of the scan.
        noisy_key: where the noisy volume is, of the same shape.
        enabled: False lets everything pass unchanged.
        allow_missing_keys: pass over missing keys.
    """

    def __init__(
        self,
        keys: KeysCollection = "pred",
        noisy_key: str = "image",
        enabled: bool = True,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.noisy_key, self.enabled = noisy_key, enabled

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        if not self.enabled:
            return result
        settings = DenoiseSettings(axis=2, stabilize="off", companions=0)
        volume = volume_from_array(data[self.noisy_key], slice_axis=2)
        try:
            plan = make_plan(volume, settings)
        except InputError as error:
            logging.getLogger(__name__).warning("no fusion with the noisy volume: %s", error)
            return result
        settings = resolve(settings, plan.preset_of)
        job = ZeroShot(volume.image.as_tensor(), plan, settings, torch.device("cpu"), slice_axis=2)
        for key in self.key_iterator(result):
            denoised = data[key]
            plain = denoised.as_tensor() if isinstance(denoised, MetaTensor) else denoised
            fused, _ = job.fuse(plain.cpu(), torch.empty_like(plain, device="cpu"))
            result[key] = MetaTensor(fused).copy_meta_from(denoised) if isinstance(denoised, MetaTensor) else fused
        return result

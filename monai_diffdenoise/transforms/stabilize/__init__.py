# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Variance stabilization: curves that give signal-dependent noise one strength, with exact unbiased inverses."""

from __future__ import annotations

from monai_diffdenoise.transforms.stabilize.anscombe import AnscombeStabilizer
from monai_diffdenoise.transforms.stabilize.base import Stabilizer
from monai_diffdenoise.transforms.stabilize.log_gamma import LogGammaStabilizer
from monai_diffdenoise.transforms.stabilize.rician import RicianStabilizer
from monai_diffdenoise.transforms.stabilize.transform import Stabilize, Stabilized, make_stabilizer

__all__ = [
    "AnscombeStabilizer",
    "LogGammaStabilizer",
    "RicianStabilizer",
    "Stabilize",
    "Stabilized",
    "Stabilizer",
    "make_stabilizer",
]

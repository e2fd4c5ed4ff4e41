# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Transforms: noisy pairs, reversible scaling, non-local means, the guide and the weight of neighboring slices."""

from __future__ import annotations

from monai_diffdenoise.transforms.guide import (
    MatchedRegionWeight,
    MatchedRegionWeightd,
    default_tau,
    guide_noise,
    guide_slices,
    matched_region_weight,
    median_filter,
)
from monai_diffdenoise.transforms.nlm import non_local_means
from monai_diffdenoise.transforms.pairing import NeighborSlicePair, Pairing, RepeatPair, SliceBlindPair
from monai_diffdenoise.transforms.pairs import RandPaird, held_out
from monai_diffdenoise.transforms.scaling import AffineScaling, RobustScale, RobustScaled, robust_scaling

__all__ = [
    "AffineScaling",
    "MatchedRegionWeight",
    "MatchedRegionWeightd",
    "NeighborSlicePair",
    "Pairing",
    "RandPaird",
    "RepeatPair",
    "RobustScale",
    "RobustScaled",
    "SliceBlindPair",
    "default_tau",
    "guide_noise",
    "guide_slices",
    "held_out",
    "matched_region_weight",
    "median_filter",
    "non_local_means",
    "robust_scaling",
]

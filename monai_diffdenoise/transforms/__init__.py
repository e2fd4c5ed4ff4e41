# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Transforms: noisy pairs, reversible scaling, variance stabilization, non-local means, matched regions.

Noise models and the transforms that add their noise stand in :mod:`monai_diffdenoise.transforms.noise`.
"""

from __future__ import annotations

from monai_diffdenoise.transforms.blind_pairing import BlindSpotPair
from monai_diffdenoise.transforms.conditioned_pair import ConditionedPair, RandConditionedPaird
from monai_diffdenoise.transforms.guide import (
    MatchedRegionWeight,
    MatchedRegionWeightd,
    default_tau,
    guide_noise,
    guide_slices,
    matched_region_weight,
    median_filter,
)
from monai_diffdenoise.transforms.holdout import Holdout, held_out, held_out_strips, hold_out
from monai_diffdenoise.transforms.masking import MaskPixelsd, correlated_spot, mask_pixels, stratified_places
from monai_diffdenoise.transforms.nlm import non_local_means
from monai_diffdenoise.transforms.pairing import NeighborSlicePair, Pairing, RepeatPair, SliceBlindPair
from monai_diffdenoise.transforms.pairing_factory import PAIRINGS, make_pairing
from monai_diffdenoise.transforms.pairs import RandPaird
from monai_diffdenoise.transforms.pseudo_clean import PseudoCleanPair, RandPseudoCleanPaird
from monai_diffdenoise.transforms.recorrupt import (
    GammaRecorruption,
    GaussianRecorruption,
    PoissonRecorruption,
    Recorruptd,
    Recorruption,
    make_recorruption,
)
from monai_diffdenoise.transforms.scaling import AffineScaling, RobustScale, RobustScaled, robust_scaling
from monai_diffdenoise.transforms.stabilize import (
    AnscombeStabilizer,
    LogGammaStabilizer,
    RicianStabilizer,
    Stabilize,
    Stabilized,
    Stabilizer,
    make_stabilizer,
)

__all__ = [
    "PAIRINGS",
    "AffineScaling",
    "AnscombeStabilizer",
    "BlindSpotPair",
    "ConditionedPair",
    "GammaRecorruption",
    "GaussianRecorruption",
    "Holdout",
    "LogGammaStabilizer",
    "MaskPixelsd",
    "MatchedRegionWeight",
    "MatchedRegionWeightd",
    "NeighborSlicePair",
    "Pairing",
    "PoissonRecorruption",
    "PseudoCleanPair",
    "RandConditionedPaird",
    "RandPaird",
    "RandPseudoCleanPaird",
    "Recorruptd",
    "Recorruption",
    "RepeatPair",
    "RicianStabilizer",
    "RobustScale",
    "RobustScaled",
    "SliceBlindPair",
    "Stabilize",
    "Stabilized",
    "Stabilizer",
    "correlated_spot",
    "default_tau",
    "guide_noise",
    "guide_slices",
    "held_out",
    "held_out_strips",
    "hold_out",
    "make_pairing",
    "make_recorruption",
    "make_stabilizer",
    "mask_pixels",
    "matched_region_weight",
    "median_filter",
    "non_local_means",
    "robust_scaling",
    "stratified_places",
]

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Losses on noisy pairs: ``loss(prediction, pair)`` with the pair's ``image``, ``target`` and ``weight``."""

from __future__ import annotations

from monai_diffdenoise.losses.diffusion import DiffusionPairLoss
from monai_diffdenoise.losses.neighbor_slice import (
    InterSliceContinuityLoss,
    NeighborSliceLoss,
    RegionalConsistencyLoss,
    SymmetricReconstructionLoss,
)
from monai_diffdenoise.losses.weighted import WeightedLoss, weighted_mean

__all__ = [
    "DiffusionPairLoss",
    "InterSliceContinuityLoss",
    "NeighborSliceLoss",
    "RegionalConsistencyLoss",
    "SymmetricReconstructionLoss",
    "WeightedLoss",
    "weighted_mean",
]

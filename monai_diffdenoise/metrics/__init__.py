# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Scores: against a clean reference, and against the noisy target of a held-out pair."""

from __future__ import annotations

from monai_diffdenoise.metrics.pair_error import PairError
from monai_diffdenoise.metrics.reference import (
    ReferenceScores,
    bias,
    default_data_range,
    edge_error,
    noise_gain,
    psnr,
    reference_scores,
    rmse,
)
from monai_diffdenoise.metrics.similarity import ssim

__all__ = [
    "PairError",
    "ReferenceScores",
    "bias",
    "default_data_range",
    "edge_error",
    "noise_gain",
    "psnr",
    "reference_scores",
    "rmse",
    "ssim",
]

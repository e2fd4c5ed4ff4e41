# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Scores: against a clean reference, against the noisy target of a held-out pair, and without any reference."""

from __future__ import annotations

from monai_diffdenoise.metrics.blind_spot import blind_spot_mse, masked_mse
from monai_diffdenoise.metrics.blind_spot_error import BlindSpotError
from monai_diffdenoise.metrics.drift import MeanDrift, mean_drift
from monai_diffdenoise.metrics.no_reference import no_reference_scores
from monai_diffdenoise.metrics.pair_error import PairError
from monai_diffdenoise.metrics.probe import probe_response
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
from monai_diffdenoise.metrics.residual import residual_autocorrelation, structure_correlation, structure_loss
from monai_diffdenoise.metrics.similarity import ssim
from monai_diffdenoise.metrics.slice_error import slice_gain, slice_mse
from monai_diffdenoise.metrics.sure import RiskEstimate, poisson_gaussian_sure, sure
from monai_diffdenoise.metrics.sure_error import SureError
from monai_diffdenoise.metrics.verdict import Verdict, improves

__all__ = [
    "BlindSpotError",
    "MeanDrift",
    "PairError",
    "ReferenceScores",
    "RiskEstimate",
    "SureError",
    "Verdict",
    "bias",
    "blind_spot_mse",
    "default_data_range",
    "edge_error",
    "improves",
    "masked_mse",
    "mean_drift",
    "no_reference_scores",
    "noise_gain",
    "poisson_gaussian_sure",
    "probe_response",
    "psnr",
    "reference_scores",
    "residual_autocorrelation",
    "rmse",
    "slice_gain",
    "slice_mse",
    "ssim",
    "structure_correlation",
    "structure_loss",
    "sure",
]

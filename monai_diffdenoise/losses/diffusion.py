# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The loss of a diffusion model on noisy pairs."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.losses.weighted import weighted_mean

__all__ = ["DiffusionPairLoss"]

Weighting = Literal["uniform", "min_snr"]


class DiffusionPairLoss(nn.Module):
    r"""What the network gave against what it should have given, where the pair is trusted.

    .. math:: L = \frac{\sum w\, \lambda(t)\, |f - e|^p}{\sum w}

    Args:
        p: 2 for the squared error, whose minimiser is the conditional mean; 1 for the absolute error (as published),
            whose minimiser is the median, another one where noise is skewed.
        weighting: "uniform": every time counts alike. "min_snr": as if the error of the image at time 0 counted by
            min(snr, gamma) (Hang et al., arXiv 2303.09556).
        gamma: of "min_snr".
        prediction_type: what the network gives, by MONAI's names; only "min_snr" asks.

    Shape:
        ``prediction``: dictionary with ``output`` and ``expected`` (N B, C, *S) and ``snr`` (N B, 1, ...), from
        :class:`~monai_diffdenoise.inferers.DiffusionPairInferer`; ``pair["weight"]`` (B, 1, *S). Returns a scalar.

    Raises:
        InputError: an argument outside these.
    """

    def __init__(
        self,
        p: int = 2,
        weighting: Weighting = "uniform",
        gamma: float = 5.0,
        prediction_type: Literal["v_prediction", "sample", "epsilon"] = "v_prediction",
    ) -> None:
        super().__init__()
        if p not in (1, 2) or weighting not in get_args(Weighting) or gamma <= 0:
            raise InputError(
                f"got p={p}, weighting={weighting!r}, gamma={gamma}; expected 1 or 2, uniform or min_snr, above 0"
            )
        if prediction_type not in ("v_prediction", "sample", "epsilon"):
            raise InputError(f"got prediction_type={prediction_type!r}; expected v_prediction, sample or epsilon")
        self.p, self.weighting, self.gamma, self.prediction_type = p, weighting, gamma, prediction_type

    def time_weight(self, snr: torch.Tensor) -> torch.Tensor:
        """How much a time with this signal-to-noise ratio counts."""
        if self.weighting == "uniform":
            return torch.ones_like(snr)
        counted = snr.clamp(max=self.gamma)
        if self.prediction_type == "sample":
            return counted
        return counted / (snr + 1) if self.prediction_type == "v_prediction" else counted / snr

    def forward(self, prediction: dict[str, torch.Tensor], pair: dict[str, Any]) -> torch.Tensor:
        # in float32: under autocast the network gives bfloat16, whose sums lose digits
        difference = prediction["output"].float() - prediction["expected"].float()
        error = difference.square() if self.p == 2 else difference.abs()
        weight = pair["weight"]
        weight = weight.repeat(len(error) // len(weight), *[1] * (weight.dim() - 1))
        return weighted_mean(error * self.time_weight(prediction["snr"]), weight)

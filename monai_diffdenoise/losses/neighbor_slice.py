# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The losses of Neighboring Slice Noise2Noise (Zhou et al., arXiv 2411.10831)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.losses.weighted import weighted_mean

__all__ = ["InterSliceContinuityLoss", "NeighborSliceLoss", "RegionalConsistencyLoss", "SymmetricReconstructionLoss"]


class SymmetricReconstructionLoss(nn.Module):
    r"""Each slice's estimate against the other, noisy slice, in the matched regions.

    .. math:: L_{rec} = \tfrac12 \left[ \frac{\|W (f(y_i) - y_j)\|^2}{\sum W}
              + \frac{\|W (f(y_j) - y_i)\|^2}{\sum W} \right]

    Shape:
        all of ``estimate_i``, ``estimate_j``, ``noisy_i``, ``noisy_j`` (B, C, *S); ``weight`` (B, 1, *S).
    """

    def forward(
        self,
        estimate_i: torch.Tensor,
        estimate_j: torch.Tensor,
        noisy_i: torch.Tensor,
        noisy_j: torch.Tensor,
        weight: torch.Tensor,
    ) -> torch.Tensor:
        there = weighted_mean((estimate_i - noisy_j).square(), weight)
        back = weighted_mean((estimate_j - noisy_i).square(), weight)
        return 0.5 * (there + back)


class RegionalConsistencyLoss(nn.Module):
    r"""The two estimates agree where the slices match.

    .. math:: L_{RC} = \frac{\|W (f(y_i) - f(y_j))\|^2}{\sum W}

    Shape:
        ``estimate_i``, ``estimate_j`` (B, C, *S); ``weight`` (B, 1, *S).
    """

    def forward(self, estimate_i: torch.Tensor, estimate_j: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return weighted_mean((estimate_i - estimate_j).square(), weight)


class InterSliceContinuityLoss(nn.Module):
    r"""The estimate of the mean slice is the mean of the estimates, everywhere.

    .. math:: L_{IC} = \mathrm{mean}\,\left( f\left(\tfrac{y_i + y_j}{2}\right) - \tfrac{f(y_i) + f(y_j)}{2} \right)^2

    It stands in where nothing is matched, by a first-order expansion of f that is about equal at both slices.

    Shape:
        ``estimate_mean``, ``estimate_i``, ``estimate_j``: all (B, C, *S).
    """

    def forward(self, estimate_mean: torch.Tensor, estimate_i: torch.Tensor, estimate_j: torch.Tensor) -> torch.Tensor:
        return (estimate_mean - 0.5 * (estimate_i + estimate_j)).square().mean()


class NeighborSliceLoss(nn.Module):
    r"""The total loss of NS-N2N.

    .. math:: L = L_{rec} + \lambda_{RC} L_{RC} + \lambda_{IC} L_{IC}

    Args:
        lambda_rc: weight of the regional consistency; 0.5 is the published value.
        lambda_ic: weight of the inter-slice continuity; 1.0 is the published value. At 0 the mean slice's estimate is
            not needed, and :class:`~monai_diffdenoise.inferers.SymmetricPairInferer` can leave it out.

    Shape:
        ``prediction``: dictionary with ``image`` = f(y_i), ``target`` = f(y_j) and, unless ``lambda_ic`` is 0,
        ``mean`` = f((y_i + y_j) / 2), each (B, C, *S); ``pair``: the noisy pair. Returns a scalar that does not change
        when the slices swap roles.

    Raises:
        InputError: for a negative weight, or when ``mean`` is needed and missing.
    """

    def __init__(self, lambda_rc: float = 0.5, lambda_ic: float = 1.0) -> None:
        super().__init__()
        if lambda_rc < 0 or lambda_ic < 0:
            raise InputError(f"got lambda_rc={lambda_rc} and lambda_ic={lambda_ic}; expected values of at least 0")
        self.lambda_rc, self.lambda_ic = lambda_rc, lambda_ic
        self.reconstruction = SymmetricReconstructionLoss()
        self.consistency = RegionalConsistencyLoss()
        self.continuity = InterSliceContinuityLoss()

    def forward(self, prediction: dict[str, torch.Tensor], pair: dict[str, Any]) -> torch.Tensor:
        f_i, f_j, weight = prediction["image"], prediction["target"], pair["weight"]
        loss = self.reconstruction(f_i, f_j, pair["image"], pair["target"], weight)
        if self.lambda_rc:
            loss = loss + self.lambda_rc * self.consistency(f_i, f_j, weight)
        if self.lambda_ic:
            if "mean" not in prediction:
                raise InputError(
                    f"got no estimate of the mean slice; lambda_ic={self.lambda_ic} needs it: "
                    "use SymmetricPairInferer(mean=True)"
                )
            loss = loss + self.lambda_ic * self.continuity(prediction["mean"], f_i, f_j)
        return loss

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What the network is asked while it is trained on noisy pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer

__all__ = ["PairInferer", "SymmetricPairInferer"]


class PairInferer(Inferer):
    """The estimate from the pair's image alone, ``network(image)``."""

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        return network(inputs)


class SymmetricPairInferer(Inferer):
    """The estimates from both sides of the pair, and from their mean, in one pass through the network.

    Args:
        mean: also estimate the mean of the two, which only the inter-slice continuity loss needs; it costs half as
            much again. Any value but 0 means yes, so that ``lambda_ic`` itself can be given.

    Returns:
        when called: dictionary with ``image``, ``target`` and, with ``mean``, ``mean``, each (B, C, *S).
    """

    def __init__(self, mean: bool | float = True) -> None:
        self.mean = bool(mean)

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        *args: Any,
        pair: dict[str, torch.Tensor] | None = None,
        **kwargs: Any,
    ) -> dict[str, torch.Tensor]:
        if pair is None:
            raise ValueError("SymmetricPairInferer needs the pair as a keyword; PreparePair passes it")
        target = pair["target"]
        both = [inputs, target, 0.5 * (inputs + target)] if self.mean else [inputs, target]
        estimates = network(torch.cat(both)).chunk(len(both))
        return dict(zip(("image", "target", "mean"), estimates, strict=False))

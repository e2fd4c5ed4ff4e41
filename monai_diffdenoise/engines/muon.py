# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The optimizer of all trainings: orthogonalized steps for weights that are matrices, AdamW for the rest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import AdamW

__all__ = ["Muon", "orthogonalized"]

# Of the odd polynomial of degree 5 (Jordan 2024) that takes singular values from 0.01 to 1 near 1 in five rounds.
_LINEAR, _CUBIC, _QUINTIC = 3.4445, -4.775, 2.0315
_ROUNDS = 5
# Root mean square of a step over the learning rate. AdamW's is about 0.2 (Liu et al., arXiv 2502.16982); this one was
# best for the learning rates of the presets.
_STEP = 0.5


def orthogonalized(matrices: torch.Tensor) -> torch.Tensor:
    r"""About the nearest semi-orthogonal matrices, by Newton-Schulz rounds.

    .. math:: X \leftarrow a X + b X X^T X + c (X X^T)^2 X

    Args:
        matrices: (N, rows, columns).

    Returns:
        the same shape; the singular values of a matrix that has full rank lie between about 0.7 and 1.2, those of a
        matrix of zeros are 0.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = _LINEAR * x + (_CUBIC * gram + _QUINTIC * gram @ gram) @ x
    return x.mT if tall else x


class Muon(AdamW):
    r"""Muon (Jordan 2024) for weights of layers with several inputs and outputs, AdamW for all other parameters.

    A convolution's weight (out, in, *kernel) counts as a matrix of out rows. With its gradient G:

    .. math::

        M \leftarrow \mu M + (1 - \mu) G, \qquad
        W \leftarrow (1 - \eta \lambda) W
        - \eta \, 0.5 \sqrt{\max(\text{rows}, \text{columns})} \; \mathrm{ortho}(\mu M + (1 - \mu) G)

    All directions of a weight then learn at the same pace, which is worth two to three times the training time on one
    noisy volume (docs/measurements.md).

    Args:
        params: of a network, as for every optimizer.
        lr: learning rate of both; 0 or more.
        betas: AdamW's.
        weight_decay: of both, decoupled.
        momentum: of the matrices.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, weight_decay=weight_decay)
        for group in self.param_groups:
            group["momentum"] = momentum

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of all parameters that have a gradient.

        Args:
            closure: computes the loss anew.

        Returns:
            what ``closure`` returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        matrices = [[p for p in group["params"] if p.grad is not None and _is_matrix(p)] for group in self.param_groups]
        gradients = [p.grad for found in matrices for p in found]
        for group, found in zip(self.param_groups, matrices, strict=True):
            self._step_matrices(found, group)
        # what has no gradient is passed over
        for p in (p for found in matrices for p in found):
            p.grad = None
        super().step()
        for p, gradient in zip((p for found in matrices for p in found), gradients, strict=True):
            p.grad = gradient
        return loss

    def _step_matrices(self, weights: list[torch.Tensor], group: dict[str, Any]) -> None:
        by_shape: dict[tuple[int, int], list[tuple[torch.Tensor, torch.Tensor]]] = {}
        for p in weights:
            assert p.grad is not None
            state = self.state[p]
            if not state:
                # AdamW looks for a step in every state that it loads
                state["step"], state["average"] = torch.zeros(()), torch.zeros_like(p)
            state["step"] += 1
            average = state["average"].lerp_(p.grad, 1 - group["momentum"])
            direction = p.grad.lerp(average, group["momentum"]).flatten(1).float()
            by_shape.setdefault((direction.shape[0], direction.shape[1]), []).append((p, direction))
        for shape, found in by_shape.items():
            rate = group["lr"] * _STEP * math.sqrt(max(shape))
            # in one batch: a network has many small weights of the same shape
            steps = orthogonalized(torch.stack([direction for _, direction in found]))
            for (p, _), step in zip(found, steps, strict=True):
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(rate * step.reshape(p.shape).to(p))


def _is_matrix(p: torch.Tensor) -> bool:
    """Neither a vector, nor one filter for each channel (depthwise), nor the only output."""
    return p.dim() >= 2 and p.shape[0] > 1 and p.shape[1] > 1

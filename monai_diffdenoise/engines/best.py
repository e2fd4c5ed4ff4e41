# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Choose the weights, and when to stop, by the score on held-out noisy pairs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events

from monai_diffdenoise.engines.checkpoint import save_atomically
from monai_diffdenoise.engines.ema import WeightAverage
from monai_diffdenoise.errors import InputError

__all__ = ["BestWeights"]


class BestWeights:
    """Handler of the evaluator: keep the averaged weights of the lowest score, stop when it no longer falls.

    No clean image is involved: the score is :class:`~monai_diffdenoise.metrics.PairError` on pairs that training
    leaves out.

    Args:
        average: the averaged weights that the evaluator scores.
        trainer: terminated when patience runs out; may be set later through :attr:`trainer`.
        metric: name of the score in the evaluator's metrics.
        patience: evaluations without a new best before stopping; 0 never stops.
        path: where the best weights are written, atomically, as a plain state dict; None keeps them in memory alone.
    """

    def __init__(
        self,
        average: WeightAverage,
        trainer: Engine | None = None,
        metric: str = "pair_error",
        patience: int = 0,
        path: str | Path | None = None,
    ) -> None:
        if patience < 0:
            raise InputError(f"got a patience of {patience}; expected 0 (never stop early) or more")
        self.average, self.trainer, self.metric, self.patience = average, trainer, metric, patience
        self.path = Path(path) if path is not None else None
        self.score, self.evaluation, self.count = math.inf, 0, 0
        self.history: list[float] = []
        self.metrics: dict[str, float] = {}
        """What the evaluator measured last."""
        self.weights = {name: value.clone() for name, value in average.network.state_dict().items()}

    def attach(self, evaluator: Engine) -> None:
        """Look at the score whenever the evaluator has finished."""
        evaluator.add_event_handler(Events.COMPLETED, self.consider)

    def consider(self, evaluator: Engine) -> None:
        """Compare the evaluator's score with the best so far. A score that is not finite never is the best."""
        score = float(evaluator.state.metrics[self.metric])
        self.count += 1
        self.history.append(score)
        self.metrics = {name: float(value) for name, value in evaluator.state.metrics.items()}
        if math.isfinite(score) and score < self.score:
            self.score, self.evaluation = score, self.count
            self.weights = {name: value.clone() for name, value in self.average.network.state_dict().items()}
            if self.path is not None and idist.get_rank() == 0:
                save_atomically(self.weights, self.path)
        elif self.exhausted and self.trainer is not None:
            self.trainer.terminate()

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return self.patience > 0 and self.count - self.evaluation >= self.patience

    def load_into(self, network: torch.nn.Module) -> torch.nn.Module:
        """Put the best weights into a network of the same kind and return it."""
        network.load_state_dict(self.weights)
        return network

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold of this."""
        return {
            "score": self.score,
            "evaluation": self.evaluation,
            "count": self.count,
            "history": list(self.history),
            "metrics": dict(self.metrics),
            "weights": self.weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.score, self.evaluation, self.count = state["score"], state["evaluation"], state["count"]
        self.history, self.metrics = list(state["history"]), dict(state["metrics"])
        self.weights = state["weights"]

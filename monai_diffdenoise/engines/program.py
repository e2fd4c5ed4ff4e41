# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The program ``training`` of a bundle."""

from __future__ import annotations

import sys

import ignite.distributed as idist
from ignite.engine import Engine

from monai_diffdenoise.engines.best import BestWeights
from monai_diffdenoise.engines.checkpoint import save_atomically
from monai_diffdenoise.engines.guard import TrainingDivergedError

__all__ = ["run_training"]


def run_training(trainer: Engine, best: BestWeights) -> None:
    """Train, or go on training, until the last epoch or until patience runs out, and write the best weights.

    A trainer that resumed at its end, by the number of epochs or by patience, does not start anew.

    Args:
        trainer: with its handlers.
        best: handler of the evaluator that chooses the weights; it stops ``trainer`` when patience runs out.

    Raises:
        TrainingDivergedError: when no validation gave a finite score, so that there is nothing to write.
    """
    best.trainer = trainer
    if (trainer.state.epoch or 0) < (trainer.state.max_epochs or 0) and not best.exhausted:
        trainer.run()
    if not best.evaluation:
        raise TrainingDivergedError(
            f"none of {best.count} validations gave a finite score: no held-out voxel is matched, or the loss "
            "diverged; nothing was written"
        )
    if idist.get_rank() != 0:
        return
    if best.path is not None:
        save_atomically(best.weights, best.path)
    found = f"best validation {best.evaluation} of {best.count}, {best.metric.replace('_', ' ')} {best.score:.4g}"
    wrote = f"; wrote {best.path}" if best.path is not None else ""
    print(f"{trainer.state.iteration} iterations; {found}{wrote}", file=sys.stderr, flush=True)

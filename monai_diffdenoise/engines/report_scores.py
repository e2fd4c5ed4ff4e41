# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tell a person, and a file, what an evaluation found."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import ignite.distributed as idist
from ignite.engine import Engine, Events

from monai_diffdenoise.data.atomic import atomic_file

__all__ = ["ReportScores"]


class ReportScores:
    """Ignite handler of the evaluator: one line on standard error, and all scores as JSON; first process only.

    Args:
        path: JSON file to write, replaced when it exists; None for none.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else None

    def attach(self, evaluator: Engine) -> None:
        """Report whenever the evaluator has finished."""
        evaluator.add_event_handler(Events.COMPLETED, self.report)

    def report(self, evaluator: Engine) -> None:
        """Print and write the scores of the evaluator."""
        if idist.get_rank() != 0:
            return
        scores = {name: float(value) for name, value in sorted(evaluator.state.metrics.items())}
        text = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in scores.items())
        print(f"epoch {evaluator.state.epoch}: {text}", file=sys.stderr, flush=True)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(self.path, overwrite=True) as stream:
                # JSON has no infinity, which an evaluation without any matched voxel gives
                known = {name: value if math.isfinite(value) else None for name, value in scores.items()}
                stream.write((json.dumps(known, indent=4) + "\n").encode())

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a run took by stage, and in another process. Workers use it, too: the standard library alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["COST", "Cost", "stage"]


@dataclass
class Cost:
    """What is not seen from the clock around a run.

    Args:
        stages: CPU seconds by stage, "training" and "inference".
        other_cpu: CPU seconds of other processes.
        other_peak_mb: their peak memory.
        startup: seconds on the clock that other processes took to start: every method's imports are left out.
        versions: of what ran, by distribution.
    """

    stages: dict[str, float] = field(default_factory=dict)
    other_cpu: float = 0.0
    other_peak_mb: int = 0
    startup: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)


COST = Cost()
"""That of this process, which does one run."""


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the CPU seconds of a block as those of a stage."""
    start = time.process_time()
    try:
        yield
    finally:
        COST.stages[name] = COST.stages.get(name, 0.0) + time.process_time() - start

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Progress that a person can watch, and that a log is not flooded by."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events

__all__ = ["ProgressDisplay", "ReportProgress", "ProgressCallback"]

ProgressCallback = Callable[[str, int, int], None]
"""Called with (stage, steps done, steps in all)."""


class ProgressDisplay:
    """A bar with the time left on a terminal; elsewhere a log line at the end of each stage, nothing in between.

    Use as a context manager and as a :data:`ProgressCallback`.

    Args:
        enabled: False shows nothing at all.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.interactive = enabled and sys.stderr.isatty()
        self.logger = logging.getLogger(__name__) if enabled else None
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._started: dict[str, float] = {}

    def __enter__(self) -> ProgressDisplay:
        if self.interactive:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            self._bar = Progress(
                TextColumn("{task.description:<12}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        started = self._started.setdefault(stage, time.perf_counter())
        if self._bar is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bar.add_task(stage, total=total)
            self._bar.update(self._tasks[stage], completed=done, total=total)
        elif self.logger is not None and done >= total:
            self.logger.info("%s: %d steps in %.1f s", stage, total, time.perf_counter() - started)


class ReportProgress:
    """Ignite handler that reports each iteration of a trainer.

    Args:
        callback: receives (stage, iterations done, iterations in all); by default a display of its own.
        stage: what the trainer does, in a word.
    """

    def __init__(self, callback: ProgressCallback | None = None, stage: str = "training") -> None:
        self.display = ProgressDisplay() if callback is None else None
        self.callback: ProgressCallback | None = callback if self.display is None else self.display
        self.stage = stage

    def attach(self, engine: Engine) -> None:
        """Report after every iteration; close an own display at the end, also after an error. Only one process does."""
        if idist.get_rank() != 0:
            return
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.report)
        if self.display is not None:
            engine.add_event_handler(Events.STARTED, lambda _: self.open())
            engine.add_event_handler(Events.COMPLETED, lambda _: self.close())
            engine.add_event_handler(Events.EXCEPTION_RAISED, self.failed)

    def report(self, engine: Engine) -> None:
        """Tell how far the engine is."""
        total = (engine.state.max_epochs or 0) * (engine.state.epoch_length or 0)
        if self.callback is not None:
            self.callback(self.stage, engine.state.iteration, total)

    def open(self) -> None:
        """Start an own display."""
        if self.display is not None:
            self.display.__enter__()

    def close(self) -> None:
        """Give the terminal back."""
        if self.display is not None:
            self.display.__exit__(None, None, None)

    def failed(self, engine: Engine, error: BaseException) -> None:
        """Give the terminal back before the error goes on.

        Args:
            engine: that failed.
            error: with which.
        """
        self.close()
        raise error

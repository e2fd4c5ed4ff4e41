# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Progress: a bar on a terminal, a line a stage elsewhere, and the terminal given back whatever happens."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable

import pytest
from ignite.engine import Engine

from monai_diffdenoise.engines import ProgressDisplay, ReportProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


@pytest.fixture
def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Make standard error a terminal; in the test itself, since pytest sets the stream anew after the fixtures."""

    def replace() -> Terminal:
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        return stream

    return replace


def failing(error: BaseException, at: int) -> Callable[[Engine, int], None]:
    def step(engine: Engine, batch: int) -> None:
        if engine.state.iteration == at:
            raise error

    return step


def test_quiet_where_nobody_watches(capfd: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), ProgressDisplay() as display:
        for done in range(1, 501):
            display("training", done, 500)
        display("denoising", 3, 3)
    assert capfd.readouterr() == ("", "")
    assert [record.getMessage().split(" steps")[0] for record in caplog.records] == ["training: 500", "denoising: 3"]


def test_disabled_shows_nothing_at_all(open_terminal: Callable, caplog: pytest.LogCaptureFixture) -> None:
    terminal = open_terminal()
    with caplog.at_level(logging.INFO), ProgressDisplay(enabled=False) as display:
        display("training", 5, 5)
    assert caplog.records == []
    assert terminal.getvalue() == ""


def test_a_terminal_gets_a_bar_for_each_stage(open_terminal: Callable) -> None:
    terminal = open_terminal()
    with ProgressDisplay() as display:
        display("training", 20, 40)
        display("training", 40, 40)
        display("denoising", 1, 3)
    shown = terminal.getvalue()
    assert "training" in shown
    assert "40/40" in shown
    assert "denoising" in shown
    assert "1/3" in shown
    assert shown.rfind(SHOW) > shown.rfind(HIDE) >= 0


def test_the_terminal_is_given_back_after_an_interrupt(open_terminal: Callable) -> None:
    terminal = open_terminal()
    with pytest.raises(KeyboardInterrupt), ProgressDisplay() as display:
        display("training", 1, 2)
        raise KeyboardInterrupt
    assert terminal.getvalue().rfind(SHOW) > terminal.getvalue().rfind(HIDE) >= 0


def test_a_callback_hears_of_every_iteration() -> None:
    heard: list[tuple[str, int, int]] = []
    engine = Engine(lambda *_: None)
    ReportProgress(lambda *told: heard.append(told), stage="learning").attach(engine)
    engine.run([0] * 3, max_epochs=2)
    assert heard == [("learning", k, 6) for k in range(1, 7)]


def test_an_own_display_opens_and_closes_with_the_run(open_terminal: Callable) -> None:
    terminal = open_terminal()
    engine = Engine(lambda *_: None)
    ReportProgress().attach(engine)
    assert terminal.getvalue() == ""
    engine.run([0] * 3, max_epochs=2)
    assert "6/6" in terminal.getvalue()
    assert terminal.getvalue().rfind(SHOW) > terminal.getvalue().rfind(HIDE) >= 0


@pytest.mark.parametrize("error", [RuntimeError("bad"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_an_own_display_closes_when_the_run_breaks_and_the_error_goes_on(
    open_terminal: Callable, error: BaseException
) -> None:
    terminal = open_terminal()
    engine = Engine(failing(error, at=2))
    ReportProgress().attach(engine)
    with pytest.raises(type(error)):
        engine.run([0] * 3, max_epochs=2)
    assert terminal.getvalue().rfind(SHOW) > terminal.getvalue().rfind(HIDE) >= 0


def test_an_own_display_is_quiet_where_nobody_watches(capfd: pytest.CaptureFixture) -> None:
    engine = Engine(lambda *_: None)
    ReportProgress().attach(engine)
    engine.run([0] * 3, max_epochs=2)
    assert capfd.readouterr() == ("", "")

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
from pathlib import Path

import ignite.distributed as idist
import pytest
from ignite.engine import Engine, Events

from monai_diffdenoise.engines import AttachHandler, ReportScores


def evaluate(handler: object, **scores: float) -> None:
    """Run an engine for one epoch that ends with some scores."""
    engine = Engine(lambda engine, batch: None)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: engine.state.metrics.update(scores))
    handler.attach(engine)  # type: ignore[attr-defined]
    engine.run([0])


def test_scores_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(ReportScores(tmp_path / "new" / "s.json"), pair_error=0.25, input_error=math.inf)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "epoch 1: input error inf, pair error 0.25\n"
    text = (tmp_path / "new" / "s.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == {"pair_error": 0.25, "input_error": None}


def test_later_scores_replace_earlier_ones(tmp_path: Path) -> None:
    for value in (2.0, 1.0):
        evaluate(ReportScores(tmp_path / "s.json"), pair_error=value)
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8")) == {"pair_error": 1.0}
    assert list(tmp_path.iterdir()) == [tmp_path / "s.json"]


def test_other_processes_are_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idist, "get_rank", lambda: 1)
    evaluate(ReportScores(tmp_path / "s.json"), pair_error=1.0)
    assert capsys.readouterr().err == ""
    assert list(tmp_path.iterdir()) == []


def test_handler_is_attached_through_another(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(AttachHandler(ReportScores()), pair_error=1.0)
    assert capsys.readouterr().err == "epoch 1: pair error 1\n"

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Each tutorial runs from its first cell to its last in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import pytest

from tests.documents.blocks import ROOT

TUTORIALS = sorted((ROOT / "tutorials").glob("[0-9]*.md"))
_CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_runs(tutorial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    text = tutorial.read_text(encoding="utf-8")
    assert "small = True" in text
    names: dict[str, object] = {"__name__": "__main__"}
    for match in _CELL.finditer(text):
        # its own line numbers in tracebacks
        lines = "\n" * text.count("\n", 0, match.start(1))
        exec(compile(lines + match[1], str(tutorial), "exec"), names)


def test_there_are_tutorials() -> None:
    assert TUTORIALS

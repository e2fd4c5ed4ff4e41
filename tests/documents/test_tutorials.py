# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Each tutorial, and each page with cells, runs from its first cell to its last in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import pytest

from tests.documents.blocks import DOCUMENTS, ROOT

TUTORIALS = sorted((ROOT / "tutorials").glob("[0-9]*.md"))
PAGES = [page for page in DOCUMENTS if "```{code-cell}" in page.read_text(encoding="utf-8")]
_CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(?::[^\n]*\n)*(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", [*TUTORIALS, *PAGES], ids=lambda path: path.stem)
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    text = page.read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "__main__"}
    for match in _CELL.finditer(text):
        # its own line numbers in tracebacks
        lines = "\n" * text.count("\n", 0, match.start(1))
        exec(compile(lines + match[1], str(page), "exec"), names)


def test_there_are_tutorials() -> None:
    assert TUTORIALS and PAGES
    assert all("small = True" in tutorial.read_text(encoding="utf-8") for tutorial in TUTORIALS)

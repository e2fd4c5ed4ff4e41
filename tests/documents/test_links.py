# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Links of all pages: relative ones and their anchors lead somewhere, others are well-formed (nothing is fetched)."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.documents.blocks import DOCUMENTS, ROOT

PAGES = [*DOCUMENTS, *sorted((ROOT / "tutorials").glob("*.md")), ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]
_CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)")
_CONTENTS = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)


def links_of(text: str) -> list[str]:
    """Targets of all links outside of code."""
    return _LINK.findall(_CODE.sub("", text))


def anchor_of(heading: str) -> str:
    """As GitHub and MyST make it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


@cache
def _anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {anchor_of(heading) for heading in _HEADING.findall(text)}


def fault_of(target: str, page: Path) -> str:
    """What is wrong with a link of a page; empty for nothing."""
    parts = urlsplit(target)
    if parts.scheme == "mailto":
        return "" if re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", parts.path) else "no address"
    if parts.scheme:
        return "" if parts.scheme in ("http", "https") and "." in parts.netloc else "no address of a page"
    path = (page.parent / parts.path).resolve() if parts.path else page
    if not path.exists():
        return "there is no such file"
    if parts.fragment and (path.suffix != ".md" or parts.fragment not in _anchors(path)):
        return "there is no such heading"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    faults = {target: fault_of(target, page) for target in links_of(page.read_text(encoding="utf-8"))}
    assert not {target: fault for target, fault in faults.items() if fault}


def test_every_page_is_in_a_table_of_contents() -> None:
    listed = set()
    for index in (ROOT / "docs").rglob("index.md"):
        for names in _CONTENTS.findall(index.read_text(encoding="utf-8")):
            listed |= {index.parent / f"{name}.md" for name in names.splitlines() if name and not name.startswith(":")}
    pages = {page for page in DOCUMENTS if page.is_relative_to(ROOT / "docs")} - {ROOT / "docs" / "index.md"}
    assert pages <= listed


@pytest.mark.parametrize(
    ("target", "right"),
    [
        ("docs/quickstart.md", True),
        ("docs/quickstart.md#denoise-a-volume", True),
        ("#what-exists", True),
        ("https://arxiv.org/abs/2411.10831", True),
        ("docs/none.md", False),
        ("docs/quickstart.md#none", False),
        ("#none", False),
        ("https:/arxiv.org/abs/1", False),
        ("htp://arxiv.org", False),
    ],
)
def test_faults_are_found(target: str, right: bool) -> None:
    assert (fault_of(target, ROOT / "README.md") == "") is right


def test_links_in_code_do_not_count() -> None:
    assert links_of("[a](b.md) `[c](d)` [](e.md#f)\n```\n[g](h)\n```\n[i](https://j.org/k_(l))") == [
        "b.md", "e.md#f", "https://j.org/k_(l)"
    ]  # fmt: skip

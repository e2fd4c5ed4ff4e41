# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The commands and code blocks of the documents, as a reader finds them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DOCUMENTS", "ROOT", "Block", "find_blocks"]

ROOT = Path(__file__).resolve().parents[2]
# Sphinx puts its pages and copies there.
_MADE = {"_build", "tutorials"}
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.relative_to(ROOT / "docs").parts[0] not in _MADE),
    *sorted((ROOT / "bundles").glob("*/docs/README.md")),
]

_FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
# indented commands: those that a number in a table rests on
_INDENTED = re.compile(r"^    ((?:diffdenoise|python -m|torchrun) (?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of a document.

    Args:
        document: where it stands.
        line: of its first line, from 1.
        language: "bash", "python", or what else the fence says; "bash" where it is indented.
        text: without the fence.
    """

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[list[str]]:
        """Words of each command; comments are left out."""
        joined = self.text.replace("\\\n", " ")
        return [words for line in joined.splitlines() for words in [shlex.split(line, comments=True)] if words]


def find_blocks(document: Path) -> list[Block]:
    """All blocks of a document in their order."""
    text = document.read_text(encoding="utf-8")
    found = [(match.start(), match[1], match[2]) for match in _FENCE.finditer(text)]
    outside = _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    found += [(match.start(), "bash", match[1]) for match in _INDENTED.finditer(outside)]
    return [Block(document, text.count("\n", 0, at) + 1, language, body) for at, language, body in sorted(found)]

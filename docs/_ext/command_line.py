# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The directive ``command-line``: what each subcommand of ``diffdenoise`` says about itself, a section each."""

from __future__ import annotations

import contextlib
import io
import os
import re

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from monai_diffdenoise.cli.main import main

__all__ = ["CommandLine", "setup"]

_COLUMNS = "84"
_COMMANDS = re.compile(r"^usage: .*\{([\w,-]+)\}")


def _help(*words: str) -> str:
    said, before = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _COLUMNS
    try:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            main([*words, "--help"])
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return re.sub(r"\x1b\[[0-9;]*m", "", said.getvalue()).rstrip()


class CommandLine(Directive):
    """Takes no arguments: what there is, the program knows."""

    def run(self) -> list[nodes.Node]:
        """The sections."""
        found = _COMMANDS.match(_help())
        if found is None:
            raise self.error("the program lists no subcommands")
        return [self._section(command) for command in found[1].split(",")]

    def _section(self, command: str) -> nodes.section:
        title = f"diffdenoise {command}"
        section = nodes.section(ids=[nodes.make_id(title)], names=[title])
        section += nodes.title("", title)
        text = _help(command)
        section += nodes.literal_block(text, text, language="none")
        self.state.document.note_implicit_target(section, section)
        return section


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}

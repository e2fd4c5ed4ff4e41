# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Print the commands with which the README opens, one a line: what .ci/run runs is what a newcomer reads.

Usage: python .ci/readme_commands.py README.md
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

__all__ = ["readme_commands"]

_BASH_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def readme_commands(text: str) -> list[str]:
    """Commands in the bash blocks above the first ``##`` heading of a README.

    Args:
        text: the README, in Markdown.

    Returns:
        Every line of those blocks that is neither empty nor a comment.

    Raises:
        ValueError: when a command goes on over several lines; each must be pasteable, and runnable, by itself.
    """
    opening = re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line.strip() for block in _BASH_BLOCK.findall(opening) for line in block.splitlines()]
    commands = [line for line in lines if line and not line.startswith("#")]
    for command in commands:
        if command.endswith(("\\", "&&", "||", "|")):
            raise ValueError(f"README command spans several lines, write it on one: {command}")
    return commands


if __name__ == "__main__":
    print("\n".join(readme_commands(Path(sys.argv[1]).read_text(encoding="utf-8"))))

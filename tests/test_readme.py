# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The README opens with the two commands that .ci/run runs, and its links lead somewhere."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def readme_commands() -> Any:
    return runpy.run_path(str(ROOT / ".ci" / "readme_commands.py"))["readme_commands"]


def test_readme_opens_with_two_commands(readme_commands: Any) -> None:
    main_job, tests = readme_commands(README)
    assert main_job == "pip install -c constraints.txt -e . && diffdenoise demo"
    assert tests == 'pip install -c constraints.txt -e ".[test]" && pytest'


def test_only_bash_blocks_above_the_first_heading_count(readme_commands: Any) -> None:
    text = "# T\n\n```bash\n# comment\n\none && two\n```\n\n```python\nno\n```\n\n## H\n\n```bash\nlate\n```\n"
    assert readme_commands(text) == ["one && two"]


@pytest.mark.parametrize("end", ["\\", "&&", "|"])
def test_command_over_several_lines_is_refused(readme_commands: Any, end: str) -> None:
    with pytest.raises(ValueError, match="several lines"):
        readme_commands(f"```bash\nfirst {end}\nsecond\n```\n")


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?://|#)([^)#]+)", README))))
def test_relative_link_exists(target: str) -> None:
    assert (ROOT / target).exists()

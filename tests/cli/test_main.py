# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.cli.main."""

from __future__ import annotations

import subprocess
import sys

import pytest

from monai_diffdenoise.cli.main import main
from monai_diffdenoise.pipeline import PRESETS, DenoiseSettings


def test_help_shows_every_setting_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["denoise", "--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name in DenoiseSettings.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in text
    for presets in PRESETS.values():
        for preset, values in presets.items():
            assert f"{preset} {values['iterations']}" in text
    assert text.count("(default:") + text.count("(required)") >= len(DenoiseSettings.__dataclass_fields__)


def test_unknown_flags_end_with_two() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["denoise", "a", "b", "--no-such-flag"])
    assert caught.value.code == 2


def test_help_does_not_load_torch() -> None:
    """Help comes at once: torch and MONAI take seconds to load."""
    code = (
        "import sys\nfrom monai_diffdenoise.cli.main import main\n"
        "try:\n    main(['denoise', '--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit(int('torch' in sys.modules or 'monai' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from monai_diffdenoise.cli import demo

    def interrupted(self: demo.Demo) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo.Demo, "run", interrupted)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err.strip() == "diffdenoise: interrupted"

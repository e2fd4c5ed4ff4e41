# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``diffdenoise view`` from its arguments to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
import webbrowser
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tyro

from monai_diffdenoise.cli import view
from monai_diffdenoise.cli.main import main
from monai_diffdenoise.cli.view import View
from monai_diffdenoise.viewer import ViewerServer

ARRAY = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ctrl-C comes as soon as the server serves; the addresses that a browser would have been sent to."""
    opened: list[str] = []

    def interrupted(self: ViewerServer, poll_interval: float = 0.5) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ViewerServer, "serve_forever", interrupted)
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    monkeypatch.setenv("DISPLAY", ":0")
    return opened


def test_arguments() -> None:
    command = tyro.cli(View, args=["a", "b", "--residual", "--overlay", "p", "--overlay", "q", "--no-browser"])
    assert command.images == (Path("a"), Path("b"))
    assert command.overlay == (Path("p"), Path("q"))
    assert (command.residual, command.browser, command.port) == (True, False, 0)


def test_address_is_printed_and_opened(
    make_nifti: Callable[..., Path], at_once: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(make_nifti(ARRAY))]) == 0
    address = capsys.readouterr().out.strip()
    assert address.startswith("http://127.0.0.1:")
    # The address that other users see in the list of processes is another one, which works once.
    assert len(at_once) == 1
    assert address.split("/")[3] not in at_once[0]
    assert at_once[0].split("/")[2] == address.split("/")[2]


def test_no_browser(make_nifti: Callable[..., Path], at_once: list[str]) -> None:
    assert main(["view", str(make_nifti(ARRAY)), "--no-browser"]) == 0
    assert at_once == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a screen")
def test_without_a_screen_no_browser_starts_in_the_terminal(
    at_once: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not view._open("http://127.0.0.1:1/")
    assert at_once == []


@pytest.mark.parametrize(
    "arguments",
    [[], ["nothing.nii"], ["{image}", "nothing.nii"], ["{image}", "--overlay", "nothing.nii"], ["{broken}"]]
    + [["{image}", "--residual"], ["{image}", "--port", "70000"], ["{image}", "--series", "1.2"]],
)
def test_mistakes_end_with_two_and_one_line(
    make_nifti: Callable[..., Path],
    tmp_path: Path,
    at_once: list[str],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    broken = tmp_path / "broken.nii"
    broken.write_bytes(b"no image")
    names = {"image": make_nifti(ARRAY), "broken": broken}
    assert main(["view", *(argument.format(**names) for argument in arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("diffdenoise: error: ")
    assert at_once == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process there")
def test_a_real_process_serves_and_ends_cleanly_on_ctrl_c(make_nifti: Callable[..., Path]) -> None:
    command = [sys.executable, "-m", "monai_diffdenoise", "view", str(make_nifti(ARRAY)), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(address + "volumes/0/0.nii", timeout=10) as answer:
            assert len(answer.read()) == 352 + 4 * ARRAY.size
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err


def test_help_needs_no_torch() -> None:
    code = (
        "import sys\nfrom monai_diffdenoise.cli.main import main\n"
        "try:\n    main(['view', '--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit(int('torch' in sys.modules or 'monai' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0

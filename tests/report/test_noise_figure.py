# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import builtins
from pathlib import Path

import pytest
import torch

from monai_diffdenoise.analysis import NoiseMeasurement, measure_noise
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.report import save_noise_figure


@pytest.fixture(scope="module")
def measured() -> NoiseMeasurement:
    ramp = torch.linspace(0, 1, 64)[:, None, None]
    return measure_noise((ramp + 0.1 * torch.randn((64, 64, 12), generator=torch.Generator().manual_seed(0)))[None])


@pytest.mark.parametrize(("ending", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_each_kind_of_file(measured: NoiseMeasurement, tmp_path: Path, ending: str, magic: bytes) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"noise{ending}"
    save_noise_figure(measured, path)
    assert path.read_bytes().startswith(magic)
    assert path.stat().st_size > 5000
    with pytest.raises(InputError, match="exists already"):
        save_noise_figure(measured, path)


def test_other_endings(measured: NoiseMeasurement, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=".png, .svg, .pdf"):
        save_noise_figure(measured, tmp_path / "noise.docx")


def test_without_matplotlib(measured: NoiseMeasurement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"monai-diffdenoise\[report\]"):
        save_noise_figure(measured, tmp_path / "noise.png")
    assert not list(tmp_path.iterdir())

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.engines.export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from monai_diffdenoise.engines import export_network
from monai_diffdenoise.engines.any_size import PARITY
from monai_diffdenoise.engines.export import PT2_FACTS, ExportFormat
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import LGBPN, PUCA, BlindStack, NAFNet, ResidualDenoiser
from monai_diffdenoise.networks.blocks.naf import use_local_attention

_LEVELS = {"encoder": [1, 1], "middle": 1, "decoder": [1, 1]}


def alive(network: nn.Module) -> nn.Module:
    """With no weight that is zero: untrained networks are the identity, which any copy would reproduce."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.2)
    return network


@pytest.fixture(scope="module")
def student() -> nn.Module:
    return alive(NAFNet(in_channels=3, channels=4, encoder=[], middle=1, decoder=[]))


def test_a_pt2_file_holds_network_and_facts(student: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "student.pt2"
    found = export_network(student, path, in_channels=3, format="pt2", facts={"name": "a", "channels": [1, 2]})
    assert found["smallest_side"] == 2
    assert found["parity"]["largest_difference"] < PARITY
    facts = {PT2_FACTS: ""}
    program = torch.export.load(path, extra_files=facts)
    assert json.loads(facts[PT2_FACTS]) == {"name": "a", "channels": [1, 2], "smallest_side": 2}
    image = torch.rand(5, 3, 22, 97)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(image), student(image))
    assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        export_network(student, path, in_channels=3, format="pt2")


def test_an_onnx_file_holds_network_and_facts(student: nn.Module, tmp_path: Path) -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    path = tmp_path / "student.onnx"
    found = export_network(student, path, in_channels=3, facts={"name": "a", "channels": [1, 2]})
    assert 0 < found["parity"]["largest_difference"] < PARITY
    facts = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert facts == {"name": "a", "channels": "[1, 2]", "smallest_side": "2"}
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image = torch.rand(5, 3, 22, 97)
    with torch.no_grad():
        expected = student(image)
    torch.testing.assert_close(
        torch.from_numpy(session.run(None, {"image": image.numpy()})[0]), expected, atol=1e-5, rtol=0
    )


def test_without_onnxruntime_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setattr("monai_diffdenoise.engines.export.has_onnxruntime", lambda: False)
    assert export_network(nn.Conv2d(1, 1, 1), tmp_path / "a.onnx")["parity"] is None
    assert (tmp_path / "a.onnx").is_file()


def test_a_copy_that_differs_is_not_kept(tmp_path: Path) -> None:
    class Noisy(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image + 0.01 * torch.rand_like(image)

    with pytest.raises(InputError, match="differs from the network"):
        export_network(Noisy(), tmp_path / "a.pt2", format="pt2")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got format 'ts'"):
        export_network(nn.Identity(), tmp_path / "a.ts", format="ts")  # type: ignore[arg-type]


_MAKERS: dict[str, tuple[Callable[[], nn.Module], int, int]] = {
    "nafnet": (lambda: NAFNet(channels=8), 1, 2),
    "nafnet 3d": (lambda: NAFNet(spatial_dims=3, channels=4, **_LEVELS), 1, 3),
    "nafnet local": (lambda: use_local_attention(NAFNet(channels=4, **_LEVELS), 48), 1, 2),
    "blind-stack": (lambda: BlindStack(channels=4, context_channels=4), 5, 2),
    "blind-stack, one image": (lambda: BlindStack(channels=4), 1, 2),
    "blind-stack 3d": (lambda: BlindStack(spatial_dims=3, channels=4), 1, 3),
    "puca": (lambda: PUCA(channels=8, **_LEVELS, context_channels=4), 5, 2),
    "puca, one image": (lambda: PUCA(channels=8, **_LEVELS), 1, 2),
    "lg-bpn": (lambda: LGBPN(channels=8, head_channels=4, local_blocks=1, global_blocks=1, context_channels=4), 5, 2),
    "lg-bpn, one image": (lambda: LGBPN(channels=8, head_channels=4, local_blocks=1, global_blocks=1), 1, 2),
    "residual": (lambda: ResidualDenoiser(channels=4), 1, 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "pt2"])
@pytest.mark.parametrize("name", _MAKERS)
def test_every_network(name: str, format: ExportFormat, tmp_path: Path) -> None:
    if format == "onnx":
        pytest.importorskip("onnxruntime")
    make, channels, dims = _MAKERS[name]
    path = tmp_path / f"a.{format}"
    found = export_network(alive(make()), path, in_channels=channels, spatial_dims=dims, format=format)
    assert found["parity"]["largest_difference"] < PARITY
    assert found["smallest_side"] <= 17

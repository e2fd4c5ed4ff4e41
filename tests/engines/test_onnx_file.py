# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.engines.onnx_file."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_diffdenoise.engines import onnx_file
from monai_diffdenoise.engines.any_size import trace_any_size
from monai_diffdenoise.engines.onnx_file import OPSETS, onnx_bytes, run_onnx
from monai_diffdenoise.errors import InputError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.GELU(), nn.Conv2d(3, 1, 1))


@pytest.fixture(scope="module")
def data(network: nn.Module) -> bytes:
    return onnx_bytes(trace_any_size(network, 2), 2, {"name": "a network", "channels": '["a", "b"]'})


def test_the_file_says_what_it_takes(data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    model = onnx.load_from_string(data)
    assert capfd.readouterr() == ("", "")
    (image,), (denoised,) = model.graph.input, model.graph.output
    assert (image.name, denoised.name) == ("image", "denoised")
    named = [[d.dim_param or d.dim_value for d in part.type.tensor_type.shape.dim] for part in (image, denoised)]
    assert named == [["batch", 2, "height", "width"], ["batch", 1, "height", "width"]]
    assert {entry.key: entry.value for entry in model.metadata_props} == {"name": "a network", "channels": '["a", "b"]'}
    assert model.opset_import[0].version == OPSETS[0]
    assert model.producer_name == "monai-diffdenoise"
    assert not any(node.metadata_props for node in model.graph.node)
    assert __file__.encode() not in data


def test_the_file_runs(network: nn.Module, data: bytes) -> None:
    pytest.importorskip("onnxruntime")
    run = run_onnx(data)
    for shape in ((1, 2, 45, 70), (3, 2, 8, 131)):
        image = torch.rand(*shape)
        with torch.no_grad():
            torch.testing.assert_close(run(image), network(image), atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("opset", [20, OPSETS[-1]])
def test_other_opsets(network: nn.Module, opset: int) -> None:
    model = onnx.load_from_string(onnx_bytes(trace_any_size(network, 2), 2, {}, opset))
    assert model.opset_import[0].version == opset


def test_an_unknown_opset_is_refused(network: nn.Module) -> None:
    with pytest.raises(InputError, match="got opset 17; expected 18 to 23"):
        onnx_bytes(trace_any_size(network, 2), 2, {}, 17)


def test_the_extra_is_named(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(InputError, match=r"need onnxscript: pip install 'monai-diffdenoise\[export\]'"):
        onnx_bytes(trace_any_size(network, 2), 2, {})


def test_an_operator_without_translation_is_refused() -> None:
    class Odd(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.special.airy_ai(image)

    with pytest.raises(InputError, match="try --format pt2"):
        onnx_bytes(trace_any_size(Odd(), 1), 2, {})

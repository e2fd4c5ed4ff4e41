# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.pipeline.export."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import monai_diffdenoise
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import NAFNet
from monai_diffdenoise.pipeline import Model, export_model, load_model, save_model
from monai_diffdenoise.pipeline.export import check_export
from monai_diffdenoise.transforms.blind_pairing import BlindSpotPair
from monai_diffdenoise.transforms.pairing import NeighborSlicePair, Pairing, SliceBlindPair

TINY: dict[str, Any] = {"channels": 4, "encoder": [], "middle": 0, "decoder": []}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    arguments = {**TINY, "in_channels": 3}
    network = NAFNet(**arguments)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    root = tmp_path_factory.mktemp("fit")
    save_model(root / "model", Model(network, "nafnet", arguments, BlindSpotPair(2, 1, 2), {"stabilizer": None}))
    return root


def test_a_model_becomes_a_file_and_its_facts(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "student.pt2"
    told = export_model(folder, path)
    assert json.loads((tmp_path / "student.pt2.json").read_text()) == told
    assert told["format"] == "pt2"
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert told["weights_sha256"] == json.loads((folder / "model" / "model.json").read_text())["weights_sha256"]
    assert told["network"] == {"name": "nafnet", "arguments": {**TINY, "in_channels": 3}}
    assert told["channels"] == ["slice", "slice before", "slice after"]
    assert told["pairing"] == {"axis": 2, "distance": 1, "context": 2}
    assert told["info"] == {"stabilizer": None}
    assert "percentile 0.5 becomes 0 and percentile 99.5 becomes 1" in told["normalization"]
    assert told["versions"]["torch"] == torch.__version__
    assert told["parity"]["largest_difference"] < 1e-4
    image = torch.rand(2, 3, 31, 18)
    with torch.no_grad():
        expected = load_model(folder).network(image)
        torch.testing.assert_close(torch.export.load(path).module()(image), expected)
    with pytest.raises(InputError, match="exists already"):
        export_model(folder, path)
    assert monai_diffdenoise.export_model is export_model


@pytest.mark.parametrize(
    ("pairing", "channels"),
    [
        (BlindSpotPair(2, 1, 0), ["slice"]),
        (NeighborSlicePair(2, 1), ["slice"]),
        (BlindSpotPair(2, 1, 4), ["slice", "slice two before", "slice before", "slice after", "slice two after"]),
        (SliceBlindPair(2, 1), ["slice two before", "slice before", "slice after", "slice two after"]),
    ],
)
def test_channels_have_names(
    pairing: Pairing, channels: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def instead(network: nn.Module, path: Path, **arguments: Any) -> dict[str, Any]:
        asked.update(arguments)
        path.write_bytes(b"")
        return {}

    monkeypatch.setattr("monai_diffdenoise.pipeline.export.export_network", instead)
    arguments = {**TINY, "in_channels": len(channels)}
    save_model(tmp_path / "m", Model(NAFNet(**arguments), "nafnet", arguments, pairing))
    assert export_model(tmp_path / "m", tmp_path / "a.onnx", opset=20)["channels"] == channels
    assert (asked["in_channels"], asked["spatial_dims"], asked["opset"]) == (len(channels), 2, 20)
    # a volume whose slices hold their number: the names are those of what the network sees
    if len(channels) > 3:
        seen = pairing.inputs(torch.arange(7.0).expand(1, 2, 2, 7), 3, 4)[0, :, 0, 0].tolist()
        place = {"slice": 3, "slice two before": 1, "slice before": 2, "slice after": 4, "slice two after": 5}
        assert [place[name] for name in channels] == seen


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("a.ts", None, "ends in .onnx or .pt2"),
        ("a", None, "ends in .onnx or .pt2"),
        ("a.onnx", "pt2", "ends in .pt2"),
        ("none/a.onnx", None, "make it first"),
    ],
)
def test_outputs_are_checked_first(name: str, format: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        check_export(tmp_path / name, format)


@pytest.mark.parametrize("taken", ["a.onnx", "a.onnx.json"])
def test_neither_file_is_replaced_unasked(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        check_export(tmp_path / "a.onnx")
    assert check_export(tmp_path / "a.onnx", overwrite=True) == "onnx"


def test_options_that_mean_nothing_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="opsets are ONNX's"):
        export_model(folder, tmp_path / "a.pt2", opset=20)
    with pytest.raises(InputError, match="which is no bundle"):
        export_model(folder, tmp_path / "a.pt2", weights=tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"no model.json is"):
        export_model(tmp_path, tmp_path / "a.pt2")

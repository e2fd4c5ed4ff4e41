# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.pipeline.bundle_network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_diffdenoise.bundle import bundle_root
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import PUCA, BlindStack
from monai_diffdenoise.pipeline.bundle_network import is_bundle, load_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "bsn"
    shutil.copytree(Path(bundle_root("bsn")) / "configs", root / "configs")
    (root / "models").mkdir()
    torch.manual_seed(0)
    torch.save(BlindStack(context_channels=4).state_dict(), root / "models" / "model.pt")
    return root


def edit(bundle: Path, name: str, **changes: Any) -> None:
    path = bundle / "configs" / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_network_and_its_layout(bundle: Path) -> None:
    assert is_bundle(bundle)
    network, layout = load_bundle(bundle)
    assert isinstance(network, BlindStack)
    assert not network.training
    weights = torch.load(bundle / "models" / "model.pt", weights_only=True)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert layout["inputs"]["image"]["num_channels"] == 5


def test_other_weights_and_another_network(bundle: Path, tmp_path: Path) -> None:
    small = PUCA(context_channels=4, channels=32, encoder=[1, 1], middle=1, decoder=[1, 1])
    torch.save(small.state_dict(), tmp_path / "puca.pt")
    network, _ = load_bundle(bundle, tmp_path / "puca.pt", bundle / "configs" / "puca.yaml")
    assert isinstance(network, PUCA)
    with pytest.raises(InputError, match="does not hold this network's weights"):
        load_bundle(bundle, tmp_path / "puca.pt")
    with pytest.raises(InputError, match="expected trained weights"):
        load_bundle(bundle, tmp_path / "none.pt")


def test_a_configuration_that_does_more_than_ours_is_not_run(bundle: Path, tmp_path: Path) -> None:
    edit(bundle, "inference.json", network_def=f"$open('{tmp_path}/made', 'w')")
    with pytest.raises(InputError, match="which is not run, since network_def"):
        load_bundle(bundle)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network_def": {"_target_": "monai_diffdenoise.networks.NAFNet", "width": 3}}, "cannot be made"),
        ({"network_def": 3}, "is no network"),
    ],
)
def test_a_network_that_cannot_be_made(bundle: Path, changes: dict[str, Any], message: str) -> None:
    edit(bundle, "inference.json", **changes)
    with pytest.raises(InputError, match=message):
        load_bundle(bundle)


def test_damaged_metadata_are_named(bundle: Path) -> None:
    edit(bundle, "metadata.json", network_data_format={})
    with pytest.raises(InputError, match="cannot be read"):
        load_bundle(bundle)
    (bundle / "configs" / "metadata.json").unlink()
    assert not is_bundle(bundle)

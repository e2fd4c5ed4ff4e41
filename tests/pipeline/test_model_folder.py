# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.pipeline.model_folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import BlindStack, NAFNet, ResidualDenoiser
from monai_diffdenoise.pipeline.model_folder import Model, load_model, save_model
from monai_diffdenoise.transforms import PseudoCleanPair
from monai_diffdenoise.transforms.blind_pairing import BlindSpotPair
from monai_diffdenoise.transforms.pairing import NeighborSlicePair, Pairing, SliceBlindPair

TINY: dict[str, Any] = {"in_channels": 3, "channels": 4, "encoder": [1], "middle": 1, "decoder": [1]}
MAKERS: dict[str, Callable[..., nn.Module]] = {
    "nafnet": NAFNet,
    "residual": ResidualDenoiser,
    "blind-stack": BlindStack,
}


def make_model(
    name: str = "nafnet", arguments: dict[str, Any] | None = None, pairing: Pairing | None = None, **info: Any
) -> Model:
    arguments = TINY if arguments is None else arguments
    torch.manual_seed(0)
    network = MAKERS[name](**arguments)
    for parameter in network.parameters():
        # a fresh network is the identity, which says nothing of its weights
        nn.init.normal_(parameter, std=0.2)
    return Model(network, name, arguments, pairing or BlindSpotPair(2, 1, 2), info)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "model", make_model())
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("name", "arguments", "pairing"),
    [
        ("nafnet", TINY, BlindSpotPair(1, 2, 2)),
        ("residual", {"in_channels": 1, "channels": 4, "levels": 2}, NeighborSlicePair(0, 1)),
        (
            "blind-stack",
            {"spatial_dims": 2, "in_channels": 1, "out_channels": 1, "channels": 4, "blind_spot": [1, 1]},
            SliceBlindPair(2, 3),
        ),
    ],
)
def test_a_model_comes_back_as_it_was(tmp_path: Path, name: str, arguments: dict, pairing: Pairing) -> None:
    model = make_model(name, arguments, pairing, stabilizer=None, noise={"lowest": 0.05, "highest": 0.1})
    save_model(tmp_path / "m", model)
    found = load_model(tmp_path / "m")
    assert (found.network_name, found.arguments, found.info) == (name, arguments, model.info)
    assert type(found.pairing) is type(pairing)
    assert (found.pairing.axis, found.pairing.distance) == (pairing.axis, pairing.distance)
    assert getattr(found.pairing, "context", 0) == getattr(pairing, "context", 0)
    assert not found.network.training
    image = torch.rand(1, arguments["in_channels"], 13, 9)
    with torch.no_grad():
        assert torch.equal(found.network(image), model.network.eval()(image))


def test_the_work_folder_of_fit_is_as_good_as_its_model(folder: Path) -> None:
    assert load_model(folder.parent).network_name == "nafnet"


def test_a_model_may_be_replaced_and_nothing_else(folder: Path) -> None:
    with pytest.raises(InputError, match="exists"):
        save_model(folder, make_model())
    save_model(folder, make_model(number=2), overwrite=True)
    assert load_model(folder).info == {"number": 2}
    (folder.parent / "mine").mkdir()
    (folder.parent / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="something else"):
        save_model(folder.parent / "mine", make_model(), overwrite=True)
    assert {path.name for path in folder.parent.iterdir()} == {"model", "mine"}


def test_a_network_or_pairing_that_has_no_name_is_refused(tmp_path: Path) -> None:
    plain = Model(nn.Conv2d(1, 1, 1), "nafnet", {}, BlindSpotPair())
    with pytest.raises(InputError, match="Conv2d"):
        save_model(tmp_path / "m", plain)
    with pytest.raises(InputError, match="PseudoCleanPair"):
        save_model(tmp_path / "m", make_model(pairing=PseudoCleanPair()))
    assert not (tmp_path / "m").exists()


def _edit(folder: Path, change: Callable[[dict], Any]) -> None:
    told = json.loads((folder / "model.json").read_text())
    change(told)
    (folder / "model.json").write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda folder: (folder / "model.json").unlink(), "no model.json"),
        (lambda folder: (folder / "weights.pt").unlink(), "cannot be read"),
        (lambda folder: (folder / "model.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "model.json").write_text("[1]"), "format 1"),
        (lambda folder: (folder / "weights.pt").write_bytes(b"no weights"), "not the one"),
        (lambda folder: _edit(folder, lambda told: told.update(format=2)), "format 1"),
        (lambda folder: _edit(folder, lambda told: told["network"].update(name="os.system")), "os.system"),
        (
            lambda folder: _edit(folder, lambda told: told["network"]["arguments"].update(channels=8)),
            "loading",
        ),
        (lambda folder: _edit(folder, lambda told: told["network"]["arguments"].update(more=1)), "more"),
        (lambda folder: _edit(folder, lambda told: told["pairing"].update(kind="eval")), "eval"),
        (lambda folder: _edit(folder, lambda told: told.pop("info")), "info"),
    ],
)
def test_damage_is_said_in_one_line(folder: Path, damage: Callable[[Path], Any], match: str) -> None:
    damage(folder)
    with pytest.raises(InputError, match=match) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def test_weights_are_never_unpickled_as_code(folder: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "owned",)

    torch.save({"weight": Evil()}, folder / "weights.pt")
    digest = hashlib.sha256((folder / "weights.pt").read_bytes()).hexdigest()
    _edit(folder, lambda told: told.update(weights_sha256=digest))
    with pytest.raises(InputError):
        load_model(folder)
    assert not (tmp_path / "owned").exists()

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Every method's pairs by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms import (
    PAIRINGS,
    BlindSpotPair,
    GammaRecorruption,
    MaskPixelsd,
    NeighborSlicePair,
    RandPaird,
    Recorruptd,
    RepeatPair,
    SliceBlindPair,
    make_pairing,
)

NEEDED: dict[str, dict[str, Any]] = {"recorrupted": {"recorruption": GammaRecorruption(looks=3.0)}}
KINDS = {
    "same": (BlindSpotPair, type(None)),
    "masked": (BlindSpotPair, MaskPixelsd),
    "neighbor": (NeighborSlicePair, type(None)),
    "slice-blind": (SliceBlindPair, type(None)),
    "repeat": (RepeatPair, type(None)),
    "recorrupted": (BlindSpotPair, Recorruptd),
}


@pytest.mark.parametrize("name", PAIRINGS)
def test_every_name_makes_its_pairs(name: str) -> None:
    pairing, after = make_pairing(name, 0, 2, **NEEDED.get(name, {}))
    assert (type(pairing), type(after)) == KINDS[name]
    assert (pairing.axis, pairing.distance) == (0, 2)
    volume = torch.rand(2 if name == "repeat" else 1, 12, 16, 16)
    pair = RandPaird(pairing, patch_size=12, after=after).set_random_state(0)({"image": volume})
    assert pair["image"].shape == (pairing.in_channels, 12, 12)
    assert pair["target"].shape == pair["weight"].shape == (1, 12, 12)
    assert torch.equal(pair["image"][:1], pair["target"]) == (name == "same")


@pytest.mark.parametrize("context", [0, 2, 4])
@pytest.mark.parametrize("name", ["same", "masked", "recorrupted"])
def test_context_goes_to_the_pairing_and_stays_whole(name: str, context: int) -> None:
    pairing, after = make_pairing(name, context=context, **NEEDED.get(name, {}))
    assert pairing.in_channels == 1 + context
    volume = torch.rand(1, 12, 12, 12)
    bare, changed = (
        RandPaird(pairing, patch_size=12, augment=False, after=then).set_random_state(0)({"image": volume})
        for then in (None, after)
    )
    assert torch.equal(bare["image"][1:], changed["image"][1:])
    assert torch.equal(bare["image"], changed["image"]) == (name == "same")


def test_arguments_reach_the_mask() -> None:
    after = make_pairing("masked", share=3.0, replace="median", radius=4, spot=[[1, 1, 1]])[1]
    assert isinstance(after, MaskPixelsd)
    assert (after.share, after.replace, after.radius) == (3.0, "median", 4)
    assert after.spot == {(0, -1), (0, 0), (0, 1)}


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("n2v", {}, "expected one of same, masked"),
        ("recorrupted", {}, "make_recorruption"),
        ("neighbor", {"context": 2}, "context=2 for pairing neighbor"),
        ("same", {"context": 3}, "expected 0, 2 or 4"),
        ("masked", {"share": 0.0}, "share above 0"),
    ],
)
def test_bad_arguments_are_the_users_mistake(name: str, arguments: dict, match: str) -> None:
    with pytest.raises(InputError, match=match):
        make_pairing(name, **arguments)

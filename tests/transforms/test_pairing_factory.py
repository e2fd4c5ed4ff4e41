# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Every method's pairs by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_diffdenoise.analysis import measure_noise
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks import spot_offsets
from monai_diffdenoise.pipeline.plan import Plan
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
    correlated_spot,
    make_pairing,
    make_recorruption,
)
from monai_diffdenoise.transforms.noise import GaussianKernel, GaussianNoise

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


@pytest.mark.parametrize("name", ["neighbor", "slice-blind", "repeat"])
def test_it_makes_what_the_plan_makes(name: str) -> None:
    plan = Plan("ns-n2n", name, 1, 2, (), (), None)
    planned, (pairing, after) = plan.make_pairing(), make_pairing(name, plan.axis, plan.distance)
    assert after is None
    assert (type(pairing), pairing.axis, pairing.distance) == (type(planned), planned.axis, planned.distance)


def test_a_measurement_is_enough_to_mask_and_to_recorrupt() -> None:
    # from one noisy volume to pairs whose noises are independent, without being told what the noise is
    texture = GaussianKernel(0.8, axes=(0, 1))
    x, y, z = torch.meshgrid(*(torch.linspace(0, 3, n) for n in (96, 96, 16)), indexing="ij")
    clean = (1.0 + 0.3 * torch.sin(x) * torch.cos(y) + 0.1 * z)[None]
    noisy = GaussianNoise(0.1, texture).sample(clean, torch.Generator().manual_seed(0))
    found = measure_noise(noisy)
    assert not found.spectrum.white
    spot = correlated_spot(found.spectrum.autocorrelation)
    assert {(0, 0), (0, 1), (-1, 0), (1, 1), (2, 0)} <= spot <= spot_offsets(7)
    assert isinstance(make_pairing("masked", spot=spot)[1], MaskPixelsd)

    made = make_recorruption("gaussian", {"sigma": found.sigma}, power=found.spectrum.power(33, 33))
    pairing, after = make_pairing("recorrupted", recorruption=made)
    draw = RandPaird(pairing, patch_size=96, augment=False, part="all", after=after).set_random_state(0)
    sums = dict.fromkeys(((0, 0), (0, 1), (1, 1), (2, 0)), 0.0)
    for _ in range(24):
        pair = draw({"image": noisy - clean})
        image, target = pair["image"][0] / 0.1, pair["target"][0] / 0.1
        for lag in sums:
            sums[lag] += float((image * target.roll(lag, (0, 1)))[2:, 2:].mean()) / 24
    # of 1.25 and 5 times the noise variance, with the error of the measurement
    assert max(map(abs, sums.values())) < 0.12

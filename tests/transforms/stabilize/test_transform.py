# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The MONAI transforms: reversible, in a Compose, array and dictionary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose, Lambdad
from monai.utils import set_determinism

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.scaling import RobustScaled
from monai_diffdenoise.transforms.stabilize import (
    AnscombeStabilizer,
    LogGammaStabilizer,
    RicianStabilizer,
    Stabilize,
    Stabilized,
    Stabilizer,
    make_stabilizer,
)

STABILIZERS = [AnscombeStabilizer(2.0, 5.0, 1.0), LogGammaStabilizer(4, 0.5), RicianStabilizer(3.0, 2)]


@pytest.fixture
def image() -> torch.Tensor:
    return 200 * torch.rand(2, 5, 6, 7, generator=torch.Generator().manual_seed(0)) + 5


@pytest.mark.parametrize("stabilizer", STABILIZERS, ids=repr)
def test_description_makes_the_stabilizer_again(stabilizer: Stabilizer) -> None:
    assert make_stabilizer(stabilizer.to_dict()) == stabilizer


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "kind=None; expected one of anscombe, log-gamma, rician"),
        ({"kind": "foi"}, "kind='foi'"),
        ({"kind": "rician"}, "got nothing for rician; expected some of: sigma, coils"),
        ({"kind": "rician", "sigma": 1, "looks": 2}, "got sigma, looks for rician"),
        ({"kind": "rician", "sigma": -1}, "sigma=-1"),
    ],
)
def test_description_of_nothing_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_stabilizer(parameters)


@pytest.mark.parametrize("stabilizer", STABILIZERS, ids=repr)
def test_transform_keeps_its_parameters_and_is_unbiased_backwards(image: torch.Tensor, stabilizer: Stabilizer) -> None:
    volume = MetaTensor(image, affine=torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0])))
    transform = Stabilize(stabilizer)
    stabilized = transform(volume)
    assert stabilized.meta["stabilizer"] == stabilizer.to_dict()
    assert torch.equal(stabilized.as_tensor(), stabilizer.forward(image))
    assert torch.equal(stabilized.affine, volume.affine)
    assert "stabilizer" not in volume.meta and not volume.applied_operations
    restored = transform.inverse(stabilized)
    assert torch.equal(restored.as_tensor(), stabilizer.inverse(stabilizer.forward(image)))
    assert "stabilizer" not in restored.meta and not restored.applied_operations


@pytest.mark.parametrize("stabilizer", STABILIZERS, ids=repr)
def test_untouched_image_comes_back_when_all_noise_remains(image: torch.Tensor, stabilizer: Stabilizer) -> None:
    transform = Stabilize(stabilizer.to_dict(), remaining=1.0)
    assert torch.allclose(transform.inverse(transform(MetaTensor(image))).as_tensor(), image, rtol=1e-5)


def test_inverse_goes_by_what_was_applied(image: torch.Tensor) -> None:
    transform = Stabilize(RicianStabilizer(3.0), remaining=1.0)
    stabilized = transform(MetaTensor(image))
    transform.stabilizer = RicianStabilizer(30.0)
    assert torch.allclose(transform.inverse(stabilized).as_tensor(), image, rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "dtype"),
    [(np.asarray, torch.float32), (lambda t: t.short(), torch.float32), (lambda t: t.double(), torch.float64)],
)
def test_transform_takes_every_kind_of_array(image: torch.Tensor, given: Any, dtype: torch.dtype) -> None:
    got = Stabilize(STABILIZERS[0])(given(image))
    assert isinstance(got, MetaTensor) and got.dtype == dtype


def test_dictionary_transform_composes_with_scaling_and_back(image: torch.Tensor) -> None:
    data = {"image": MetaTensor(image), "other": MetaTensor(3 * image), "name": "a"}
    keys = ["image", "other"]
    pipeline = Compose([Stabilized(keys, RicianStabilizer(3.0), remaining=1.0), RobustScaled(keys)])
    scaled = pipeline(data)
    assert scaled["image"].max() < 1.1
    restored = pipeline.inverse(scaled)
    for key in keys:
        assert torch.allclose(restored[key].as_tensor(), data[key].as_tensor(), rtol=1e-4, atol=1e-3)
    assert restored["name"] == "a"


def test_averaging_in_between_gives_the_signal() -> None:
    set_determinism(0)
    signal = torch.tensor([0.0, 3.0, 8.0, 40.0])
    noisy = MetaTensor(torch.poisson(signal.expand(1, 200_000, 4)))
    denoise = Lambdad("image", lambda z: z.mean(1, keepdim=True), inv_func=lambda z: z)
    pipeline = Compose([Stabilized("image", AnscombeStabilizer()), denoise])
    restored = pipeline.inverse(pipeline({"image": noisy}))["image"].as_tensor()[0, 0]
    deviation = (signal / 200_000).sqrt()
    assert ((restored - signal).abs() < 5 * deviation + 1e-3).all()
    assert (noisy.as_tensor().sqrt().mean(1)[0] ** 2 - signal)[1] < -0.1


def test_missing_key_is_an_error_unless_allowed(image: torch.Tensor) -> None:
    with pytest.raises(KeyError):
        Stabilized(["image", "label"], STABILIZERS[0])({"image": image})
    assert "label" not in Stabilized(["image", "label"], STABILIZERS[0], allow_missing_keys=True)({"image": image})


@pytest.mark.parametrize("remaining", [-0.5, 1.01, float("nan")])
def test_remaining_outside_0_to_1_is_refused(remaining: float) -> None:
    with pytest.raises(InputError, match="remaining"):
        Stabilize(STABILIZERS[0], remaining)


@pytest.mark.parametrize(
    "stabilizer",
    [
        {"_target_": "monai_diffdenoise.transforms.stabilize.RicianStabilizer", "sigma": 2},
        {"kind": "rician", "sigma": 2},
    ],
)
def test_transform_can_be_configured_in_a_bundle(stabilizer: dict[str, Any]) -> None:
    target = {"_target_": "monai_diffdenoise.transforms.stabilize.Stabilized", "keys": "image"}
    parser = ConfigParser({"transform": {**target, "stabilizer": stabilizer}})
    assert parser.get_parsed_content("transform").stabilize.stabilizer == RicianStabilizer(2.0)

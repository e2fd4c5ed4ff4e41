# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch

from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.phantom import make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline import DenoiseSettings, make_plan
from monai_diffdenoise.pipeline.noise_advice import advise, measure_volume
from monai_diffdenoise.transforms.noise import noise_model
from monai_diffdenoise.transforms.stabilize import make_stabilizer

CLEAN = torch.as_tensor(make_phantom((112, 112, 32))).float()[None]


def noisy(kind: str, level: float = 0.1, scale: float = 1.0, **how):
    axes = (0, 1) if kind in ("correlated", "ct") else None
    image = noise_model(kind, level, axes=axes, **how).sample(CLEAN, torch.Generator().manual_seed(0))
    return volume_from_array(image * scale, slice_axis=2)


@pytest.mark.parametrize(
    ("kind", "network", "stabilizer"),
    [("gaussian", "puca", None), ("rician", "puca", "rician"), ("correlated", "lg-bpn", None), ("ct", "lg-bpn", None)],
)
def test_choices_follow_the_noise(kind, network, stabilizer):
    advice = advise(measure_volume(noisy(kind)))
    assert advice.blind_spot_network == network
    assert (advice.blind_spot == (1, 1)) == (network == "puca") == (advice.stride == 1)
    assert all(side % 2 == 1 for side in advice.blind_spot)
    assert (advice.stabilizer or {}).get("kind") == stabilizer
    assert set(advice.reasons) == {"blind_spot_network", "stride", "stabilizer", "fusion"}
    assert "\n" not in "".join(advice.reasons.values())
    json.dumps(asdict(advice), allow_nan=False)


def test_wider_correlation_asks_for_a_wider_blind_spot():
    narrow, wide = (advise(measure_volume(noisy("correlated", width=width))) for width in (0.6, 1.5))
    assert wide.blind_spot > narrow.blind_spot
    assert wide.stride > narrow.stride


@pytest.mark.parametrize("kind", ["rician", "gamma", "poisson"])
@pytest.mark.parametrize("scale", [1.0, 4000.0])
def test_the_stabilizer_stabilizes(kind, scale):
    volume = noisy(kind, 0.2, scale)
    chosen = advise(measure_volume(volume)).stabilizer
    assert chosen is not None
    stabilizer = make_stabilizer(chosen)
    # repeats of two even places: the noise is as strong in both after it, as it was not before
    spreads = []
    for signal in (0.2, 0.8):
        flat = torch.full((1, 200, 200), signal)
        values = noise_model(kind, 0.2).sample(flat, torch.Generator().manual_seed(1)) * scale
        spreads.append((float(values.std()), float(stabilizer.forward(values).std())))
    before, after = (spreads[1][k] / spreads[0][k] for k in (0, 1))
    assert abs(after - 1) < max(0.15, 0.5 * abs(before - 1))


def test_plan_records_noise_and_advice():
    volume = noisy("gaussian")
    plan = make_plan(volume, DenoiseSettings())
    assert plan.noise is not None and plan.advice is not None
    assert plan.noise["sigma"] == pytest.approx(0.1, rel=0.1)
    json.dumps(asdict(plan), allow_nan=False)
    again = make_plan(volume, DenoiseSettings(), measure_volume(volume))
    assert again.noise == plan.noise


def test_small_volumes_are_planned_without_a_measurement():
    small = volume_from_array(0.5 + 0.05 * torch.randn((1, 7, 16, 9), generator=torch.Generator().manual_seed(0)))
    try:
        plan = make_plan(small, DenoiseSettings())
    except InputError:
        pytest.skip("the pairing itself refuses it")
    assert plan.noise is None and any("not measured" in warning for warning in plan.warnings)


def test_components_are_no_repeats():
    from dataclasses import replace

    series = torch.cat([noisy("gaussian").image.as_tensor()] * 3)
    volume = replace(volume_from_array(series, slice_axis=2), channels="component")
    with pytest.raises(InputError, match="components"):
        make_plan(volume, DenoiseSettings(pairing="repeat"))


@pytest.mark.parametrize("value", [1e36, -1e20])
def test_damaged_voxels_are_named(value):
    image = noisy("gaussian").image.as_tensor().clone()
    image[0, 10, 10, 3] = value
    with pytest.raises(InputError, match="a few voxels are damaged"):
        make_plan(volume_from_array(image, slice_axis=2), DenoiseSettings())


def test_values_beyond_what_float32_computes_with():
    image = noisy("gaussian").image.as_tensor() * 1e38
    with pytest.raises(InputError, match="another scale"):
        make_plan(volume_from_array(image, slice_axis=2), DenoiseSettings())

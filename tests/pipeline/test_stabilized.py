# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_diffdenoise import denoise
from monai_diffdenoise.data import storage, volume_from_array
from monai_diffdenoise.pipeline import DenoiseSettings, make_plan
from monai_diffdenoise.pipeline.choose_stabilizer import choose_stabilizer
from monai_diffdenoise.pipeline.noise_advice import NoiseAdvice
from monai_diffdenoise.pipeline.stabilized import restore, restored_spread, stabilized
from monai_diffdenoise.transforms.noise import noise_model
from monai_diffdenoise.transforms.stabilize import AnscombeStabilizer, LogGammaStabilizer, RicianStabilizer

KINDS = [AnscombeStabilizer(0.5, 1.0, 0.3), LogGammaStabilizer(4.0, 0.05), RicianStabilizer(0.4)]
TINY = {"iterations": 4, "channels": 4, "levels": 2, "patch_size": 16, "batch_size": 2, "validate_every": 2}


def smooth(shape: tuple[int, ...] = (96, 96, 16)) -> torch.Tensor:
    x, y, z = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in shape), indexing="ij")
    return 0.5 + 0.3 * torch.sin(x / 12 + z / 30) * torch.cos(y / 14)


def noisy(kind: str, level: float = 0.2, scale: float = 1.0) -> torch.Tensor:
    return scale * noise_model(kind, level).sample(smooth()[None], torch.Generator().manual_seed(0))


@pytest.mark.parametrize("stabilizer", KINDS, ids=lambda kind: kind.kind)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_at_a_time_are_the_whole(stabilizer, axis, monkeypatch) -> None:
    image = 5 * torch.rand((2, 9, 7, 5), generator=torch.Generator().manual_seed(0))
    share = torch.rand(image.shape, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(storage, "_RUN_VOXELS", 1)
    there = stabilized(image, stabilizer, axis)
    assert torch.equal(there, stabilizer.forward(image))
    back = restore(there.clone(), stabilizer, axis, share)
    left = 0.0 if stabilizer.kind == "rician" else share.square()
    assert torch.equal(back, stabilizer.inverse(there, left))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(KINDS[:2]), st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1.0, 1e3]))
def test_what_was_put_back_whole_is_what_it_was(stabilizer, seed, scale) -> None:
    image = scale * torch.rand((1, 4, 5, 3), generator=torch.Generator().manual_seed(seed))
    back = restore(stabilized(image, stabilizer, 2), stabilizer, 2, torch.ones_like(image))
    assert torch.allclose(back, image, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kind", "name"), [("poisson", "anscombe"), ("gamma", "log-gamma"), ("gaussian", None)])
def test_on_follows_the_law(kind: str, name: str | None) -> None:
    volume = volume_from_array(noisy(kind), slice_axis=2)
    plan = make_plan(volume, DenoiseSettings(stabilize="on"))
    assert (plan.stabilizer or {}).get("kind") == name


class Law:
    def __init__(self, certain: bool = True, basis: str = "slices", darkest: float = 1.3) -> None:
        self.certain, self.basis = certain, basis
        self.curve = SimpleNamespace(mean=torch.tensor([darkest, 9.0]))


@pytest.mark.parametrize(
    ("kind", "setting", "law", "chosen"),
    [
        ("rician", "auto", Law(), True),
        ("rician", "auto", Law(certain=False), False),
        ("rician", "auto", Law(basis="image"), False),
        ("rician", "auto", Law(darkest=3.0), False),
        ("rician", "on", Law(certain=False), True),
        ("rician", "off", Law(), False),
        ("anscombe", "auto", Law(), False),
        ("anscombe", "on", Law(), True),
        ("log-gamma", "auto", Law(basis="repeats"), False),
    ],
)
def test_auto_stabilizes_where_it_pays(kind: str, setting: str, law: Law, chosen: bool) -> None:
    advice = NoiseAdvice("puca", (1, 1), 1, {"kind": kind, "sigma": 1.0}, True, {"stabilizer": "because"})
    stabilizer, why = choose_stabilizer(DenoiseSettings(stabilize=setting), law, advice)
    assert (stabilizer is not None) == chosen
    assert ("no variance" in why) != chosen and "because" in why
    assert choose_stabilizer(DenoiseSettings(), law, replace(advice, stabilizer=None)) == (None, "")


@pytest.mark.parametrize("kind", ["poisson", "gamma"])
@pytest.mark.parametrize("method", ["ns-n2n", "bsn"])
def test_a_run_goes_there_and_back(kind: str, method: str) -> None:
    image = noisy(kind, scale=1000.0)[:, :64, :64, :8]
    changes = {**TINY, "iterations": 30, "batch_size": 4, "learning_rate": 1e-2}
    result = denoise(volume_from_array(image, slice_axis=2), method=method, stabilize="on", axes="one", **changes)
    assert json.loads(json.dumps(result.report))["plan"]["stabilizer"] is not None
    out, truth = result.image.as_tensor(), 1000 * smooth()[None, :64, :64, :8]
    assert (out - truth).square().mean() < 0.5 * (image - truth).square().mean()
    # the way back has no bias of its own
    assert abs(float((out - truth).mean())) < 0.03 * 1000


def test_voxels_may_lie_anywhere() -> None:
    image = volume_from_array(noisy("poisson")[:, :40, :40, :8], slice_axis=2)
    runs = [denoise(image, memory=memory, stabilize="on", method="ns-n2n", **TINY) for memory in (0, 1000)]
    assert runs[0].report["plan"]["stabilizer"] is not None
    assert torch.equal(runs[0].image.as_tensor(), runs[1].image.as_tensor())


def test_a_spread_comes_back_by_the_slope_of_the_inverse() -> None:
    stabilizer = AnscombeStabilizer(gain=2.0, offset=0.0, sigma=1.0)
    signal = torch.linspace(20, 500, 64).reshape(1, 4, 4, 4)
    # noise of 1 there is noise of the square root of gain * signal + sigma^2 here
    spread = restored_spread(stabilizer.forward(signal), torch.full_like(signal, 0.1), stabilizer, 2)
    assert torch.allclose(spread, 0.1 * (2 * signal + 1).sqrt(), rtol=0.02)

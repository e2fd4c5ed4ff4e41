# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from monai_diffdenoise import denoise
from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.metrics.verdict import Evidence, Verdict
from monai_diffdenoise.pipeline import DenoiseSettings, make_plan, resolve, zero_shot
from monai_diffdenoise.pipeline.do_no_harm import harm, judge
from monai_diffdenoise.pipeline.zero_shot import ZeroShot


class Blur(nn.Module):
    """A box of some pixels: a small one helps, a large one loses what matters."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        padded = nn.functional.pad(image[:, :1], (self.side // 2,) * 4, mode="replicate")
        return nn.functional.avg_pool2d(padded, self.side, 1)


def job(noise: float, kind: str = "gaussian", slices: int = 16, **changes) -> ZeroShot:
    clean = make_phantom((96, 96, 16), seed=0)
    image = add_noise(clean, kind, noise, seed=1)[..., 8 - slices // 2 : 8 + math.ceil(slices / 2)]
    volume = volume_from_array(image[None], slice_axis=2)
    settings = DenoiseSettings(**changes)
    plan = make_plan(volume, settings)
    made = ZeroShot(
        volume.image.as_tensor(), plan, resolve(settings, plan.preset_of), torch.device("cpu"), slice_axis=2
    )
    made.scores = {"pair_error": 1.0, "input_error": 2.0}
    return made


@pytest.mark.parametrize("slices", [16, 1])
@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
def test_help_and_harm_are_told_apart(slices: int, kind: str) -> None:
    much = job(0.2, kind, slices, fusion=False)
    assert judge(much, Blur(3)).vote != "worse"
    if slices == 1:
        return  # fine texture of a single image cannot be told from noise
    little = job(0.04, kind, slices, fusion=False, distance=1)
    verdict = judge(little, Blur(13))
    assert verdict.vote == "worse"
    assert harm(little, verdict) == verdict.reason != ""


def test_fusion_takes_harm_away() -> None:
    bare, fused = (judge(job(0.05, distance=1, fusion=fusion), Blur(9)) for fusion in (False, True))
    assert bare.vote == "worse"
    assert fused.vote != "worse"


def test_only_a_part_of_a_large_volume_is_denoised_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    from monai_diffdenoise.pipeline import noise_gain

    monkeypatch.setattr(noise_gain, "_SLICES", 6)
    monkeypatch.setattr(noise_gain, "_SIDE", 64)
    seen = []
    made = job(0.1, distance=1)
    original = made.on_part
    monkeypatch.setattr(
        made, "on_part", lambda how, channel, part, fuse: seen.append(part) or original(how, channel, part, fuse)
    )
    judge(made, Blur(3))
    assert seen == [(slice(None), slice(16, 80), slice(16, 80), slice(5, 11))]


@pytest.mark.parametrize(
    ("method", "put_back", "told"),
    [("ns-n2n", 0.1, True), ("ns-n2n", None, True), ("bsn", 0.1, False), ("bsn", None, True)],
)
def test_the_error_against_noisy_targets_counts_where_it_speaks_of_the_result(
    method: str, put_back: float | None, told: bool
) -> None:
    made = job(0.1, method=method, distance=1)
    assert harm(made, None, put_back) == ""
    made.scores = {"pair_error": 2.0, "input_error": 1.0}
    assert bool(harm(made, None, put_back)) == told


@pytest.mark.parametrize(
    ("votes", "harmful"),
    [
        ({"sure": "worse", "slices": "worse", "structure": "worse"}, True),
        ({"sure": "undecided", "slices": "undecided", "structure": "worse"}, True),
        ({"sure": "undecided", "slices": "better", "structure": "worse"}, False),
        ({"sure": "undecided", "energy": "worse"}, True),
    ],
)
def test_structure_alone_does_not_outvote_a_gain(votes: dict[str, str], harmful: bool) -> None:
    evidence = tuple(Evidence(name, 0.0, 1.0, vote, name) for name, vote in votes.items())
    assert bool(harm(job(0.1, distance=1), Verdict("worse", 0.01, evidence))) == harmful


@pytest.mark.parametrize(
    ("certain", "vote", "put_back", "harmful"),
    [
        (False, "undecided", 0.99, True),
        (False, None, 0.99, True),
        (False, "undecided", 0.9, False),
        (False, "undecided", None, False),
        (False, "better", 0.99, False),
        (True, "undecided", 0.99, False),
    ],
)
def test_with_uncertain_noise_and_nothing_to_gain_the_input_is_kept(
    certain: bool, vote: str | None, put_back: float | None, harmful: bool
) -> None:
    made = job(0.1, distance=1)
    made.plan = replace(made.plan, noise={**made.plan.noise, "certain": certain})
    verdict = None if vote is None else Verdict(vote, 0.01, ())
    assert bool(harm(made, verdict, put_back)) == harmful


def test_a_run_that_does_harm_returns_its_input_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(self: ZeroShot) -> nn.Module:
        self.scores = {"pair_error": 1.0, "input_error": 2.0, "skipped_iterations": 0}
        return Blur(15)

    monkeypatch.setattr(zero_shot.ZeroShot, "train", train)
    image = add_noise(make_phantom((96, 96, 16), seed=0), "gaussian", 0.04, seed=1)
    result = denoise(image, distance=1, axis=2, fusion=False)
    assert torch.equal(result.image.as_tensor(), result.noisy.as_tensor())
    assert result.report["scores"]["verdict"]["vote"] == "worse"
    assert any("returned unchanged" in warning for warning in result.warnings)

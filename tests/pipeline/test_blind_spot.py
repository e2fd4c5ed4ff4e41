# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Blind-spot runs from end to end: volumes, single slices, 2D images, slices far apart."""

from __future__ import annotations

import json

import pytest
import torch

from monai_diffdenoise import denoise
from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics import psnr
from monai_diffdenoise.pipeline import DenoiseSettings, choose_method, make_plan

TINY = {"iterations": 4, "channels": 4, "levels": 2, "patch_size": 16, "batch_size": 2, "validate_every": 2}


def smooth(shape: tuple[int, ...]) -> torch.Tensor:
    """Blobs that change slowly: what a short training can learn."""
    x, y, z = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in (*shape, 1)[:3]), indexing="ij")
    clean = 0.5 + 0.3 * torch.sin(x / 12 + z / 30) * torch.cos(y / 14)
    return clean if len(shape) == 3 else clean[..., 0]


def far_apart() -> torch.Tensor:
    """Slices that have nothing in common."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(6, 1, 8, 8, generator=generator)
    unrelated = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic")[:, 0].movedim(0, -1)
    return unrelated + 0.02 * torch.randn(unrelated.shape, generator=generator)


@pytest.mark.parametrize("shape", [(96, 96), (96, 80, 1), (48, 48, 12)], ids=str)
def test_noise_is_removed(shape: tuple[int, ...]) -> None:
    clean = smooth(shape)
    image = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    result = denoise(image, method="bsn", iterations=100, patch_size=32, batch_size=4, learning_rate=1e-2)
    before, after = (psnr(x, clean[None], 1.0) for x in (image[None], result.image.as_tensor()))
    assert after > before + 4
    assert result.image.shape == (1, *shape)
    scores = result.report["scores"]
    assert scores["pair_error"] < scores["input_error"]
    assert scores["input_error"] > 0


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (smooth((64, 64))[None], "1 slice"),
        (smooth((64, 48, 1))[None], "1 slice"),
        (far_apart()[None], "too far apart"),
    ],
    ids=["image", "slice", "far apart"],
)
def test_auto_falls_back_to_single_slices_and_says_why(image: torch.Tensor, why: str) -> None:
    noisy = image + 0.05 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    plan = make_plan(volume_from_array(noisy), DenoiseSettings())
    assert (plan.method, plan.pairing, plan.context) == ("diffdenoise", "blind", 0)
    assert why in plan.reasons[0] and "diffdenoise" in plan.reasons[0]
    assert "slice by slice" in plan.summary
    assert make_plan(volume_from_array(noisy), DenoiseSettings(preset="fast")).method == "bsn"
    assert denoise(noisy if image.dim() == 4 else volume_from_array(noisy), **TINY).image.shape == noisy.shape


def test_auto_runs_all_stages_on_a_single_image(monkeypatch: pytest.MonkeyPatch) -> None:
    # not by the rule: so few steps ask for one training
    monkeypatch.setattr(choose_method, "_has_time_for_stages", lambda volume, settings: True)
    image = add_noise(make_phantom((48, 48, 1), seed=0), "gaussian", 0.1, seed=1)[None]
    report = denoise(volume_from_array(image), diffusion_iterations=2, student_iterations=2, **TINY).report
    assert report["plan"]["method"] == report["settings"]["method"] == "diffdenoise"
    assert {"bsn", "mean", "student"} <= set(report["scores"]["choice"]["gains"])


def noisy_phantom(kind: str = "gaussian", slices: int = 16) -> torch.Tensor:
    return add_noise(make_phantom((64, 64, 16), seed=0)[..., :slices], kind, 0.1, seed=1)


@pytest.mark.parametrize(("slices", "context"), [(16, 4), (5, 4), (4, 2), (3, 2), (2, 0)])
def test_context_is_what_there_is(slices: int, context: int) -> None:
    volume = volume_from_array(noisy_phantom(slices=slices)[None], slice_axis=2)
    plan = make_plan(volume, DenoiseSettings(method="bsn", distance=1))
    assert plan.context == context
    assert plan.make_pairing().in_channels == 1 + context


def test_correlated_noise_widens_the_blind_spot() -> None:
    white, correlated = (
        make_plan(volume_from_array(image[None], slice_axis=2), DenoiseSettings(method="bsn"))
        for image in (add_noise(smooth((96, 96, 16)), "gaussian", 0.1), noisy_phantom("correlated"))
    )
    assert white.blind_spot == (1, 1)
    assert correlated.blind_spot is None and correlated.context == 4
    assert any("whole slice" in reason and "correlated" in reason for reason in correlated.reasons)
    alone = make_plan(volume_from_array(noisy_phantom("correlated")[None, :, :, 8]), DenoiseSettings())
    assert alone.blind_spot is not None and alone.blind_spot[0] == alone.blind_spot[1] >= 3
    puca = DenoiseSettings(network="puca")
    shuffled = make_plan(volume_from_array(noisy_phantom("correlated")[None], slice_axis=2), puca)
    assert shuffled.blind_spot == (1, 1) and shuffled.stride > 1
    narrow = DenoiseSettings(method="bsn", blind_spot=1)
    plan = make_plan(volume_from_array(noisy_phantom("correlated")[None], slice_axis=2), narrow)
    assert plan.blind_spot == (1, 1)
    assert any("will stay" in warning for warning in plan.warnings)


@pytest.mark.parametrize(("network", "stride"), [("stack", None), ("puca", 2), ("lg-bpn", 1)])
def test_every_network_runs_from_plan_to_json(network: str, stride: int | None) -> None:
    result = denoise(noisy_phantom(slices=8), network=network, blind_spot=1, stride=stride, **TINY)
    plan = json.loads(json.dumps(result.report))["plan"]
    assert plan["method"] == "bsn" and plan["network"] == network
    assert result.report["settings"]["iterations"] == 4


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"context": 4}, "slices"),
        ({"blind_spot": 0}, "neighboring slices only"),
        ({"network": "lg-bpn", "context": 0, "blind_spot": 0}, "blind-spot = 0"),
        ({"network": "puca", "blind_spot": 3}, "puca"),
        ({"context": 3}, "context"),
        ({"blind_spot": 2}, "odd"),
        ({"method": "ns-n2n"}, "1 slice"),
        ({"pairing": "slice-blind"}, "1 slice"),
    ],
    ids=str,
)
def test_what_an_image_cannot_give_is_refused(changes: dict, match: str) -> None:
    image = volume_from_array(noisy_phantom()[None, :, :, 8])
    with pytest.raises(InputError, match=match):
        denoise(image, **{**TINY, **changes})


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_axis(axis: int) -> None:
    noisy = noisy_phantom()
    result = denoise(noisy, method="bsn", axis=axis, **TINY)
    assert result.image.shape == (1, *noisy.shape) and result.report["plan"]["axis"] == axis


def test_the_same_seed_gives_the_same_bits_and_memory_does_not_matter() -> None:
    noisy = add_noise(smooth((48, 48, 12)), "gaussian", 0.1)
    noisy = torch.stack([noisy, 2 * noisy + 1])
    settings = {"method": "bsn", "axes": "all", **TINY, "iterations": 40, "channels": 8, "learning_rate": 1e-2}
    first, again, mapped, other = (
        denoise(noisy, **settings, **changes).image.as_tensor() for changes in ({}, {}, {"memory": 0}, {"seed": 1})
    )
    assert torch.equal(first, again) and torch.equal(first, mapped)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    "changes", [{"augment_inference": True}, {"refine": 2}, {"stride": 3, "inference_stride": 2}], ids=str
)
def test_inference_can_be_changed_without_another_training(changes: dict) -> None:
    noisy = add_noise(smooth((48, 48, 12)), "gaussian", 0.1)
    settings = {"method": "bsn", "iterations": 40, "patch_size": 24, "batch_size": 4, "learning_rate": 1e-2}
    settings["augment_inference"] = False
    plain, changed = denoise(noisy, **settings), denoise(noisy, **settings | changes)
    assert "unchanged" not in " ".join(plain.warnings)
    assert not torch.equal(plain.image.as_tensor(), changed.image.as_tensor())


@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
def test_auto_takes_neighbors_for_context_where_their_noise_is_independent(kind: str) -> None:
    image = noisy_phantom(kind) if kind == "correlated" else add_noise(smooth((96, 96, 16)), kind, 0.1)
    plan = make_plan(volume_from_array(image[None], slice_axis=2), DenoiseSettings())
    assert (plan.method, plan.context, plan.fusion) == ("bsn", 4, "local" if kind == "gaussian" else "bands")
    shared = noisy_phantom(slices=16) + 0.1 * torch.randn(64, 64, 1, generator=torch.Generator().manual_seed(7))
    other = make_plan(volume_from_array(shared[None], slice_axis=2), DenoiseSettings())
    assert other.method == "ns-n2n" and any("correlated" in warning for warning in other.warnings)


def test_too_small_or_noise_free_images_get_a_clear_answer() -> None:
    for image in (torch.rand(1, 16, 16), torch.zeros(1, 64, 64), torch.full((1, 64, 64, 3), 7.0)):
        with pytest.raises(InputError, match="noise"):
            denoise(volume_from_array(image), **TINY)


@pytest.mark.parametrize("augment", [False, True])
def test_a_network_that_leaves_its_slice_out_runs_in_every_orientation(augment: bool) -> None:
    noisy = noisy_phantom()
    result = denoise(noisy, method="bsn", blind_spot=0, context=4, augment_inference=augment, **TINY)
    assert result.report["plan"]["blind_spot"] is None
    assert result.image.isfinite().all()

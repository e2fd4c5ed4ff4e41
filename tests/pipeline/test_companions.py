# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of pipeline.companions, and of runs whose network sees other time points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from monai_diffdenoise import denoise
from monai_diffdenoise.data import Volume, volume_from_array
from monai_diffdenoise.data.phantom import make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics import psnr
from monai_diffdenoise.pipeline import DenoiseSettings, make_plan
from monai_diffdenoise.pipeline.companions import Companions, count_companions
from monai_diffdenoise.pipeline.settings import resolve
from monai_diffdenoise.pipeline.shared_plan import plan_together
from monai_diffdenoise.pipeline.zero_shot import ZeroShot
from monai_diffdenoise.transforms import robust_scaling

TINY: dict[str, Any] = {"iterations": 4, "channels": 4, "patch_size": 16, "batch_size": 2, "validate_every": 2}
SIGMA = 0.1


def contrasts(count: int, depth: int = 12) -> torch.Tensor:
    """One anatomy in several contrasts, (count, 48, 48, depth)."""
    anatomy = make_phantom((48, 48, depth))
    powers = torch.linspace(0.5, 2.0, count)[:, None, None, None]
    return anatomy.clamp(min=1e-3) ** powers


def series(count: int = 3, depth: int = 12, channels: Literal["time", "component"] = "time") -> Volume:
    clean = contrasts(count, depth)
    noisy = clean + SIGMA * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return replace(volume_from_array(noisy, slice_axis=2), channels=channels)


def repeats(count: int = 4) -> Volume:
    clean = make_phantom((48, 48, 12)).expand(count, 48, 48, 12)
    return volume_from_array(clean + SIGMA * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)))


def job_of(volume: Volume, **changes: Any) -> ZeroShot:
    settings = DenoiseSettings(method="bsn", device="cpu", **{**TINY, **changes})
    plan = make_plan(volume, settings)
    settings = resolve(settings, plan.preset_of)
    return ZeroShot(volume.image.as_tensor(), plan, settings, torch.device("cpu"), slice_axis=volume.slice_axis)


@pytest.mark.parametrize(
    ("volume", "settings", "count", "why"),
    [
        (series(1), {}, 0, ""),
        (series(3), {}, 2, "2 other time points as context: 3 time points differ by"),
        (series(9), {}, 6, "6 other time points"),
        (series(3), {"method": "diffdenoise"}, 0, ""),
        (series(3, channels="component"), {}, 0, ""),
        (series(3), {"companions": 0}, 0, "0 other time points as context: asked for"),
        (series(3), {"companions": 1}, 1, "1 other time points as context: asked for"),
        (repeats(), {}, 0, "no other time points as context: 4 time points differ by"),
        (repeats(), {"companions": 3}, 3, "asked for"),
    ],
    ids=str,
)
def test_how_many_are_shown(volume: Volume, settings: dict[str, Any], count: int, why: str) -> None:
    found, reason = count_companions(volume, DenoiseSettings(**settings), SIGMA)
    assert found == count
    assert why in reason and bool(reason) == bool(why)


@pytest.mark.parametrize(
    ("volume", "settings", "message"),
    [
        (series(3), {"companions": 3}, "for 3 time points; expected 2 at most"),
        (series(3, channels="component"), {"companions": 1}, "expected 0 at most"),
        (series(3), {"companions": 1, "method": "diffdenoise"}, "takes none"),
    ],
    ids=str,
)
def test_what_cannot_be_shown_is_refused(volume: Volume, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        count_companions(volume, DenoiseSettings(**settings), SIGMA)


def companions_of(image: torch.Tensor, count: int) -> Companions:
    return Companions(image, [robust_scaling(channel) for channel in image], count, 2)


def test_those_that_look_most_alike_are_shown() -> None:
    image = series(6).image.as_tensor()
    found = companions_of(image, 2)
    assert set(found.of(0)) == {1, 2} and set(found.of(5)) == {3, 4}
    # what has nothing in common stays away as long as there are others
    image = torch.cat([image, torch.rand(1, 48, 48, 12, generator=torch.Generator().manual_seed(1))])
    assert all(6 not in companions_of(image, 3).of(c) for c in range(6))
    assert len(companions_of(image, 3).of(6)) == 3


def test_a_stack_is_in_the_units_of_its_first_channel() -> None:
    image = series(3).image.as_tensor() * torch.tensor([1.0, 100.0, -3.0])[:, None, None, None] + 5
    found = companions_of(image, 2)
    stack = found.stack(1)
    assert torch.equal(stack[0], image[1])
    for place, other in enumerate(found.of(1), start=1):
        expected = found.scalings[1].invert(found.scalings[other].apply(image[other]))
        assert torch.allclose(stack[place], expected, rtol=1e-5)
    part = (slice(None), slice(3, 9), slice(None), slice(2, 5))
    scaled = found.scalings[1].apply(stack[1:])
    assert torch.allclose(found.around(1, part), scaled[part], atol=1e-5)
    assert torch.allclose(found.around(1), scaled, atol=1e-5)


def test_a_constant_time_point_is_no_obstacle() -> None:
    image = series(3).image.as_tensor().clone()
    image[1] = 0.25
    assert companions_of(image, 2).stack(0).isfinite().all()


def test_a_plan_tells_of_them() -> None:
    plan = make_plan(series(3), DenoiseSettings(method="bsn", device="cpu"))
    assert plan.companions == 2 and plan.make_pairing().in_channels == 1 + plan.context + 2
    assert "and 2 other time points" in plan.summary
    told = next(reason for reason in plan.reasons if reason.startswith("2 other time points"))
    # what it costs belongs to what was chosen
    assert "drawn together" in told


def test_a_series_of_few_slices_is_denoised_by_its_time_points() -> None:
    plan = make_plan(series(4, depth=5), DenoiseSettings(device="cpu"))
    assert (plan.method, plan.companions) == ("bsn", 3)
    assert "time points" in plan.reasons[0]
    assert make_plan(series(4, depth=5), DenoiseSettings(device="cpu", companions=0)).companions == 0


@pytest.mark.parametrize("axes", ["one", "all"])
def test_a_part_is_denoised_as_in_the_whole(axes: str) -> None:
    """What judges a result must judge what is returned."""
    job = job_of(series(3), axes=axes)
    network = job.train()
    whole = job.infer(network, torch.empty_like(job.work))
    assert whole.shape == job.work.shape
    part = (slice(None), *[slice(None)] * 3)
    for channel, scaling in enumerate(job.scalings):
        noisy = scaling.apply(job.work[channel : channel + 1])
        found = job.on_part(network, channel, part, fuse=False)(noisy)
        assert torch.allclose(found, scaling.apply(whole[channel : channel + 1]), atol=1e-4)


def test_no_time_point_sees_the_pixel_that_is_estimated() -> None:
    job = job_of(series(3), blind_spot=3, axes="one")
    network = job.train()
    noisy = job.scalings[1].apply(job.work[1:2])
    denoise_part = job.on_part(network, 1, (slice(None),) * 4, fuse=False)
    before = denoise_part(noisy)
    touched = noisy.clone()
    touched[0, 20, 20, 6] += 10.0
    changed = denoise_part(touched) - before
    # the noisy slice is taken off and added again, which rounds
    assert changed[0, 19:22, 19:22, 6].abs().max() < 1e-5
    assert changed.abs().max() > 1e-3


def test_other_contrasts_help() -> None:
    volume, clean = series(3), contrasts(3)
    found = {}
    for companions in (0, 2):
        settings = {"method": "bsn", "iterations": 80, "fusion": False, "axes": "one", "augment_inference": False}
        settings |= {"channels": 8, "patch_size": 32, "batch_size": 4, "learning_rate": 5e-3}
        result = denoise(volume, companions=companions, device="cpu", **settings)
        assert result.report["plan"]["companions"] == companions
        found[companions] = psnr(result.image.as_tensor(), clean, 1.0)
    assert found[2] > found[0] + 0.3, found


def test_progress_goes_up_to_the_last_time_point() -> None:
    calls: list[tuple[int, int]] = []
    job = job_of(series(3), axes="one")
    job.progress = lambda stage, done, total: calls.append((done, total))
    job.infer(job.train(), torch.empty_like(job.work))
    denoising = [(done, total) for done, total in calls if total == 3 * 12]
    assert denoising[-1] == (36, 36) and sorted(denoising) == denoising


def test_a_fit_on_many_volumes_shows_none(tmp_path: Path) -> None:
    volumes = [series(3), series(3)]
    assert all(plan.companions == 0 for plan in plan_together(volumes, DenoiseSettings(method="bsn", device="cpu")))
    with pytest.raises(InputError, match="takes none"):
        plan_together(volumes, DenoiseSettings(method="bsn", companions=2))

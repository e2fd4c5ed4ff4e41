# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from monai_diffdenoise.pipeline import run
from monai_diffdenoise.pipeline.result import Result
from monai_diffdenoise.pipeline.run import denoise_volume
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.report.sample import slice_sample
from tests.pipeline.test_three_stages import TINY, scan


def _run(stages: bool = True, **changes: Any) -> Result:
    return denoise_volume(scan(), DenoiseSettings(**{**TINY, "fusion": False, **changes}), keep_stages=stages)


@pytest.mark.parametrize("changes", [{}, {"stabilize": "on", "student": False}])
def test_stages_are_kept_in_input_units_and_compared(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "harm", lambda *args: None)
    result = _run(**changes)
    names = list(result.stages)
    assert names[:2] == ["blind-spot network", "diffusion model"]
    for image in result.stages.values():
        assert image.shape == result.image.shape
        # noise has a standard deviation of 10, the phantom reaches 100
        assert float((image - result.image.as_tensor()).abs().mean()) < 20
    returned = result.report["scores"]["choice"]["returned"]
    last = {"bsn": 0, "mean": 1, "student": 2}[returned]
    if "stabilize" not in changes:
        assert torch.equal(result.stages[names[last]], result.image.as_tensor())
    (gate,) = [gate for gate in result.report["gates"] if gate["name"] == "stages"]
    assert gate["value"] > 0
    assert "blind-spot network and diffusion model differ" in gate["reason"] or "student" in gate["reason"]


def test_the_check_is_made_without_keeping_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "harm", lambda *args: None)
    result = _run(False)
    assert result.stages == {}
    assert "stages" in [gate["name"] for gate in result.report["gates"]]


def test_stages_of_what_was_not_used_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "harm", lambda *args: "of harm")
    result = _run()
    assert "stages" not in [gate["name"] for gate in result.report["gates"]]
    assert torch.equal(result.image.as_tensor(), result.noisy.as_tensor())


def test_slices_stay_when_the_image_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    from monai_diffdenoise.pipeline.stage_images import StageImages

    class Job:
        slice_axis, stabilizer = 0, None
        settings = DenoiseSettings(method="diffdenoise")
        work = torch.rand(1, 5, 6, 7)

    images = StageImages(Job(), True)  # type: ignore[arg-type]
    image = Job.work.clone()
    images.add("one", image)
    share = Job.work.clone()
    images.fused(share)
    image.zero_()
    share.zero_()
    assert images.put_back is not None
    assert torch.equal(images.put_back, images.slices["one"])
    assert torch.equal(images.slices["one"], slice_sample(Job.work, 0, 1 << 20))
    assert torch.equal(images.images["one"], Job.work)


def test_stages_that_the_result_does_not_rest_on_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "harm", lambda *args: None)
    choose = run.choose_candidate
    monkeypatch.setattr(run, "choose_candidate", lambda *args: replace(choose(*args), name="bsn"))
    result = _run()
    assert "stages" not in [gate["name"] for gate in result.report["gates"]]
    assert {"blind-spot network", "diffusion model"} <= set(result.stages)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_diffdenoise.analysis import measure_noise
from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.phantom import make_phantom
from monai_diffdenoise.pipeline.gates import gates_line, run_gates, with_gates
from monai_diffdenoise.pipeline.result import Result
from monai_diffdenoise.report.sample import noise_level, slice_sample

_NAMES = ["mean drift", "structure removed", "correlation removed", "created", "seams", "clipping"]


@pytest.fixture(scope="module")
def run() -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    truth = make_phantom((64, 64, 16))[None]
    noisy = truth + 0.08 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    return noisy, truth + 0.2 * (noisy - truth), measure_noise(noisy, 2).to_json()


def test_honest_run_passes_and_a_shift_fails(run: tuple[torch.Tensor, torch.Tensor, dict[str, Any]]) -> None:
    noisy, denoised, noise = run
    found = run_gates(noisy, denoised, 2, noise)
    assert [gate.name for gate in found] == _NAMES
    assert {gate.verdict for gate in found} == {"pass"}
    shifted = {gate.name: gate.verdict for gate in run_gates(noisy, denoised + 0.04, 2, noise)}
    assert shifted["mean drift"] == "fail"


def test_returned_unchanged_passes(run: tuple[torch.Tensor, torch.Tensor, dict[str, Any]]) -> None:
    assert {gate.verdict for gate in run_gates(run[0], run[0], 2, run[2])} == {"pass"}


def test_stages_are_compared_when_there_are_several(run: tuple[torch.Tensor, torch.Tensor, dict[str, Any]]) -> None:
    noisy, denoised, noise = run
    stages = {"bsn": denoised, "student": denoised + 1}
    assert run_gates(noisy, denoised, 2, noise, stages=stages)[-1].verdict == "fail"
    assert len(run_gates(noisy, denoised, 2, noise, stages={"bsn": denoised})) == 6


def test_nothing_can_be_said_without_a_level(run: tuple[torch.Tensor, torch.Tensor, dict[str, Any]]) -> None:
    assert run_gates(run[0], run[1], 2, None) == ()
    assert len(run_gates(run[0], run[1], 2, None, sigma=0.08)) == 6
    assert "none" in gates_line([])


def test_result_gets_its_gates_written_down(run: tuple[torch.Tensor, torch.Tensor, dict[str, Any]]) -> None:
    noisy, denoised, noise = run
    volume = volume_from_array(noisy, slice_axis=2)
    report: dict[str, Any] = {"plan": {"noise": noise, "sigma": noise["sigma"]}, "timings_s": {}}
    result = with_gates(Result(volume.with_image(denoised + 0.04), volume.image, report))
    assert [gate["name"] for gate in result.report["gates"]] == _NAMES
    assert result.report["timings_s"]["gates"] >= 0
    line = gates_line(result.report["gates"])
    assert "fail: mean drift, the mean of the class" in line
    assert "\n" not in line


def test_level_of_a_plan(run: tuple[torch.Tensor, torch.Tensor, dict[str, Any]]) -> None:
    noise = {**run[2], "family": {"name": "rician", "parameters": {"sigma": 0.1}, "misfit": 0.0}, "certain": False}
    level = noise_level(noise, 0.2)
    assert level is not None
    assert (level.sigma, level.magnitude, level.certain) == (0.2, True, False)
    assert level.deviation(torch.tensor([5.0])).tolist() == pytest.approx([0.1], rel=0.02)
    correlated = {**noise, "in_plane": {**noise["in_plane"], "white": False}}
    assert noise_level(correlated).correlation is not None  # type: ignore[union-attr]
    assert noise_level(None) is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_large_volumes_are_sampled_evenly(axis: int) -> None:
    image = torch.arange(2 * 8 * 8 * 8, dtype=torch.float32).reshape(2, 8, 8, 8)
    assert torch.equal(slice_sample(image, axis, image.numel()), image.movedim(axis + 1, 1).flatten(0, 1))
    few = slice_sample(image, axis, 64 * 4)
    assert few.shape == (4, 8, 8)
    assert torch.equal(few[0], image[0].select(axis, 0))
    assert torch.equal(few[-1], image[1].select(axis, 7))

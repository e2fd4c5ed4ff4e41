# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of method diffdenoise: pipeline.three_stages and the stages it is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from monai_diffdenoise import denoise
from monai_diffdenoise.data import Volume, volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import NAFNet
from monai_diffdenoise.pipeline.presets import PRESETS
from monai_diffdenoise.pipeline.run import denoise_volume
from monai_diffdenoise.pipeline.settings import LATER_STAGES, DenoiseSettings, resolve
from monai_diffdenoise.pipeline.stage import Stages
from monai_diffdenoise.pipeline.stage_presets import STAGE_PRESETS
from monai_diffdenoise.pipeline.stage_student import student_arguments

TINY: dict[str, Any] = {
    "method": "diffdenoise",
    "iterations": 4,
    "channels": 4,
    "patch_size": 16,
    "validate_every": 2,
    "validation_pairs": 4,
    "recorruptions": 1,
    "diffusion_iterations": 4,
    "diffusion_channels": 8,
    "student_iterations": 4,
    "student_channels": 4,
    "sampling_steps": 1,
    "symmetric_pairs": 1,
    "axes": "one",
    "device": "cpu",
}


pytestmark = pytest.mark.usefixtures("one_thread")


def scan(kind: str = "gaussian", times: int = 1, seed: int = 1) -> Volume:
    clean = make_phantom((24, 24, 8), seed=0)
    noisy = torch.stack([add_noise(clean, kind, 0.1, seed=seed + time) for time in range(times)])
    return volume_from_array(100 * noisy)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, {"mean", "student"}),
        ({"sampler": "srds", "symmetric_pairs": 2, "student": False}, {"srds"}),
        ({"target": "neighbor"}, {"mean", "student"}),
        ({"target": "same", "sampler": "srds"}, {"srds", "student"}),
        ({"stabilize": "on", "fusion": False}, {"mean", "student"}),
    ],
)
def test_the_report_says_what_was_returned_and_why(changes: dict, names: set) -> None:
    result = denoise(scan(), **{**TINY, **changes})
    choice = result.report["scores"]["choice"]
    fused = " + fusion" if changes.get("fusion", True) else ""
    assert set(choice["gains"]) == {name + end for name in names | {"bsn"} for end in ("", fused)}
    assert choice["returned"] in choice["gains"]
    assert choice["why"].startswith(choice["returned"])
    assert result.report["plan"]["method"] == "diffdenoise"
    assert set(result.report["scores"]["stages"]) == {"blind-spot", "diffusion"} | (names & {"student"})
    assert torch.isfinite(result.image.as_tensor()).all()
    # nobody asked
    assert result.uncertainty is None


def test_a_series_learns_one_repeat_from_another() -> None:
    result = denoise(scan(times=2), **{**TINY, "target": "repeat"})
    assert result.image.shape == (2, 24, 24, 8)
    with pytest.raises(InputError, match="one time point"):
        denoise(scan(), **{**TINY, "target": "repeat"})


def test_a_target_that_the_first_network_has_seen_is_refused() -> None:
    with pytest.raises(InputError, match="context to 0"):
        denoise(scan(), **{**TINY, "target": "neighbor", "context": 2})


def test_correlated_noise_and_speckle_are_split_too() -> None:
    for kind in ("correlated", "gamma"):
        assert torch.isfinite(denoise(scan(kind), **{**TINY, "student": False}).image.as_tensor()).all()


def test_the_spread_is_in_units_of_the_input() -> None:
    options = {**TINY, "student": False}
    spread = denoise_volume(scan(), DenoiseSettings(**options), keep_uncertainty=True).uncertainty
    assert spread is not None
    assert spread.shape == (1, 24, 24, 8)
    # noise has a standard deviation of 10
    assert 0 < float(spread.median()) < 10
    large = volume_from_array(1000 * scan().image.as_tensor())
    scaled = denoise_volume(large, DenoiseSettings(**options), keep_uncertainty=True).uncertainty
    assert scaled is not None
    assert float(scaled.median()) == pytest.approx(1000 * float(spread.median()), rel=1e-2)


def test_the_best_of_the_candidates_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    from monai_diffdenoise.pipeline import choose_candidate as module
    from monai_diffdenoise.pipeline.stage_student import Student

    judge = module.judge

    def preferred(job: Any, how: Any, fuse: bool) -> Any:
        verdict = judge(job, how, fuse)
        assert verdict is not None
        if isinstance(how, Student) and not fuse:
            # all of the noise, so no error
            gain = job.noise.sigma(0) ** 2
            parts = tuple(type(part)(part.name, gain, gain, "better", part.text) for part in verdict.evidence)
            return type(verdict)("better", verdict.significance, parts)
        return verdict

    monkeypatch.setattr(module, "judge", preferred)
    result = denoise(scan(), **TINY)
    assert result.report["scores"]["choice"]["returned"] == "student"
    assert "put_back" not in result.report["scores"]


class StoppedError(Exception):
    """In place of a kill."""


def test_a_run_goes_on_in_the_stage_where_it_stopped(tmp_path: Path) -> None:
    seen: dict[str, int] = {}

    def until(last: str = "") -> Any:
        seen.clear()

        def tell(stage: str, done: int, total: int) -> None:
            seen.setdefault(stage, done)
            if stage == last and done == total:
                raise StoppedError

        return tell

    def run(settings: dict[str, Any], last: str = "", resume: bool = True) -> torch.Tensor:
        chosen = DenoiseSettings(**settings)
        done = denoise_volume(scan(), chosen, work_dir=tmp_path, resume=resume, progress=until(last))
        return done.image.as_tensor()

    whole = denoise_volume(scan(), DenoiseSettings(**TINY)).image.as_tensor()
    with pytest.raises(StoppedError):
        run(TINY, "diffusion")
    assert seen["blind-spot"] == 1
    with pytest.raises(StoppedError):
        run(TINY, "student")
    # the last checkpoint lies before the last steps, which are repeated
    assert seen["diffusion"] == 3
    assert "blind-spot" not in seen
    assert torch.equal(run(TINY), whole)
    assert seen["student"] == 3
    assert not {"blind-spot", "conditions", "diffusion", "sampling"} & set(seen)
    # other settings of a later stage leave the earlier ones as they are
    run({**TINY, "student_channels": 6})
    assert seen["student"] == 1
    assert not {"blind-spot", "conditions", "diffusion", "sampling"} & set(seen)
    # and without asking for it nothing is taken from the folder
    run({**TINY, "student": False}, resume=False)
    assert {"blind-spot", "diffusion", "sampling"} <= set(seen)


def test_settings_of_later_stages_are_settings() -> None:
    assert set(LATER_STAGES) < set(DenoiseSettings.__dataclass_fields__)
    assert set().union(*STAGE_PRESETS.values()) < set(LATER_STAGES)


@pytest.mark.parametrize(("size", "parameters"), [("small", 104113), ("medium", 399713), ("large", 29159713)])
def test_the_student_has_the_size_that_is_documented(size: str, parameters: int) -> None:
    settings = resolve(DenoiseSettings(method="diffdenoise", student_size=size), "bsn")  # type: ignore[arg-type]
    job = SimpleNamespace(plan=SimpleNamespace(context=4), training_options=lambda: SimpleNamespace(patch_size=48))
    arguments = student_arguments(Stages((job,), settings, torch.device("cpu")))  # type: ignore[arg-type]
    with torch.device("meta"):
        network = NAFNet(**arguments)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    narrow = Stages((job,), replace(settings, student_channels=6), torch.device("cpu"))  # type: ignore[arg-type]
    assert student_arguments(narrow) == {**arguments, "channels": 6}


def test_the_fast_preset_spends_more_on_the_first_stage_than_that_of_bsn() -> None:
    stages, alone = (resolve(DenoiseSettings(method=method, preset="fast"), "bsn") for method in ("diffdenoise", "bsn"))
    assert stages.iterations == PRESETS["bsn"]["balanced"]["iterations"]
    assert alone.iterations == PRESETS["bsn"]["fast"]["iterations"]
    assert (stages.diffusion_iterations, stages.student) == (STAGE_PRESETS["fast"]["diffusion_iterations"], False)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"target": "clean"}, "recorrupted"),
        ({"sampler": "ddpm"}, "srds"),
        ({"student_size": "huge"}, "small, medium, large"),
        ({"diffusion_channels": 12}, "multiple of 8"),
        ({"condition_noise": 1.0}, "sampler srds"),
        ({"recorruption_tau": 0.0}, "above 0"),
    ],
)
def test_wrong_settings_are_refused(changes: dict, match: str) -> None:
    with pytest.raises(InputError, match=match):
        DenoiseSettings(**{**TINY, **changes}).check()

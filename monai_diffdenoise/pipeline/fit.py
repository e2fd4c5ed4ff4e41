# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A folder of noisy volumes in, a model for further ones out, by any method."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from monai_diffdenoise.data import atomic_file
from monai_diffdenoise.data.storage import memory_limit
from monai_diffdenoise.data.volume_list import open_volume, volume_paths
from monai_diffdenoise.engines import default_device
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.budget import estimate_budget
from monai_diffdenoise.pipeline.choose_candidate import choose_candidate, fused_first, fused_or_not
from monai_diffdenoise.pipeline.fit_single import SINGLE, fit_single
from monai_diffdenoise.pipeline.fitted import Fitted, training_facts
from monai_diffdenoise.pipeline.model_folder import save_model
from monai_diffdenoise.pipeline.planes import as_stack
from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve
from monai_diffdenoise.pipeline.shared_plan import plan_together
from monai_diffdenoise.pipeline.stage import Stages
from monai_diffdenoise.pipeline.stage_student import Student
from monai_diffdenoise.pipeline.three_stages import run_stages, with_target
from monai_diffdenoise.pipeline.versions import versions
from monai_diffdenoise.pipeline.zero_shot import Denoiser, ZeroShot

__all__ = ["fit"]

_SETTINGS, _SUMMARY, _MODEL, _STAGES = "settings.json", "summary.json", "model", "stages"
# Volumes whose candidates are compared at the end.
_COMPARED = 3


def fit(
    data_dir: str | os.PathLike[str],
    work_dir: str | os.PathLike[str],
    settings: DenoiseSettings | None = None,
    *,
    resume: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Train a method on all volumes of a folder: one network, or all stages of DiffDenoise.

    In ``work_dir`` it leaves ``settings.json``, ``summary.json``, ``model`` (see
    :func:`~monai_diffdenoise.pipeline.load_model`) and ``stages``, from which it goes on when it was interrupted. A
    stage that finished with the same volumes, settings and versions is not run again.

    Args:
        data_dir: see :func:`~monai_diffdenoise.data.volume_paths`.
        work_dir: made if it is missing.
        settings: those of ``denoise``. With method "auto" it is "diffdenoise"; ``student`` has no influence.
        resume: go on in a folder that was begun; stages whose settings have changed since run anew.
        progress: called with (stage, done, total).
        say: told about the plan and what it will take, a line at a time.

    Returns:
        what ``summary.json`` holds.

    Raises:
        InputError: no volumes, volumes that do not go together, or a folder that is taken.
    """
    chosen = settings or DenoiseSettings()
    chosen.check()
    if chosen.method not in SINGLE:
        chosen = with_target(replace(chosen, method="diffdenoise", student=True))
    data, work = Path(data_dir), Path(work_dir)
    paths = volume_paths(data_dir)
    _check_folder(data, work, resume)
    with memory_limit(chosen.memory):
        volumes = [as_stack(_open(path, number, len(paths))) for number, path in enumerate(paths, start=1)]
        plans = plan_together(volumes, chosen)
        chosen = resolve(chosen, plans[0].preset_of)
        device = default_device(chosen.device)
        jobs = tuple(
            ZeroShot(volume.image.as_tensor(), plan, chosen, device, progress=progress, slice_axis=volume.slice_axis)
            for volume, plan in zip(volumes, plans, strict=True)
        )
        stages = Stages(jobs, chosen, device, work / _STAGES, True, progress)
        warnings = [
            f"volume {number} of {len(plans)}: {warning}"
            for number, plan in enumerate(plans, start=1)
            for warning in plan.warnings
        ]
        say(f"plan: {len(jobs)} volumes, {plans[0].summary}")
        say(f"it will take {estimate_budget(stages)}")
        work.mkdir(parents=True, exist_ok=True)
        _write({"settings": asdict(chosen), "volumes": len(jobs)}, work / _SETTINGS)
        made = fit_single(stages) if chosen.method in SINGLE else _fit_stages(stages)
        save_model(work / _MODEL, made.model, overwrite=True)
        summary = {
            "volumes": len(jobs),
            "plan": plans[0].summary,
            "reasons": list(plans[0].reasons),
            "noise": made.model.info["noise"],
            "scores": made.scores,
            "compared": _compared(stages, made),
            "seconds": {name: round(value, 1) for name, value in made.seconds.items()},
            "keys": made.keys,
            "versions": versions(),
            "warnings": warnings,
        }
        _write(summary, work / _SUMMARY)
    return summary


def _check_folder(data: Path, work: Path, resume: bool) -> None:
    if data.is_dir() and data.resolve() in (work.resolve(), *work.resolve().parents):
        raise InputError(f"got work folder {work}, which lies in the data {data}; expected a folder of its own")
    if work.exists() and not work.is_dir():
        raise InputError(f"got work folder {work}, which is a file; expected a folder")
    if work.is_dir() and any(work.iterdir()):
        if not (work / _SETTINGS).is_file():
            raise InputError(f"got work folder {work}, which holds something else; expected an empty or a new one")
        if not resume:
            raise InputError(f"got work folder {work}, which was begun: add --resume to go on, or choose another one")
    if not work.absolute().parent.is_dir():
        raise InputError(f"got work folder {work}, in a folder that does not exist; make that first")


def _open(path: str, number: int, count: int) -> Any:
    try:
        return open_volume(path)
    except InputError as error:
        if count == 1:
            raise
        raise InputError(f"volume {number} of {count}, sorted by name: {error}; fix it or take it out") from error


def _fit_stages(stages: Stages) -> Fitted:
    """All stages of DiffDenoise, and the student as the model."""
    made = run_stages(stages)
    assert made.student is not None, "fit always trains one"
    model = replace(made.student, info=training_facts(stages))
    moved = replace(model, network=model.network.to(stages.device))

    def candidates(job: ZeroShot) -> dict[str, Any]:
        student = Student(moved, stages.settings, job.plan.axis, job.plan.distance)
        others: dict[str, Denoiser] = {stages.settings.sampler: made.sampler(job), "student": student}
        return {**fused_first(job, "bsn", made.first), **fused_or_not(job, others)}

    return Fitted(model, candidates, made.scores, made.seconds, made.keys)


def _compared(stages: Stages, made: Fitted) -> list[dict[str, Any]]:
    """What the scores without a reference say of what was trained, on some of the volumes."""
    count = len(stages.jobs)
    places = torch.linspace(0, count - 1, min(count, _COMPARED)).round().int().tolist()
    found = []
    for place in places:
        job = stages.jobs[place]
        found.append({"volume": place + 1, **choose_candidate(job, made.candidates(job)).as_dict()})
    return found


def _write(content: dict[str, Any], path: Path) -> None:
    with atomic_file(path, overwrite=True) as stream:
        stream.write((json.dumps(content, indent=2) + "\n").encode())

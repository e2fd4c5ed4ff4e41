# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The main entry: a volume in, a denoised volume and a report out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from monai_diffdenoise.data import Volume, read_volume, volume_from_array
from monai_diffdenoise.data.storage import allocate, memory_limit, require_room
from monai_diffdenoise.engines import ProgressDisplay, default_device
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.choose_candidate import FUSED, Selection, choose_candidate, fused_first, fused_or_not
from monai_diffdenoise.pipeline.do_no_harm import harm
from monai_diffdenoise.pipeline.gates import with_gates
from monai_diffdenoise.pipeline.model_folder import Model
from monai_diffdenoise.pipeline.model_plan import plan_for_model, runs_as_trained, unlike_training
from monai_diffdenoise.pipeline.plan import Plan, make_plan
from monai_diffdenoise.pipeline.planes import as_stack
from monai_diffdenoise.pipeline.result import Result
from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve
from monai_diffdenoise.pipeline.stabilized import restore, restored_spread
from monai_diffdenoise.pipeline.stage import Stages
from monai_diffdenoise.pipeline.stage_diffusion import Sampler
from monai_diffdenoise.pipeline.stage_images import StageImages
from monai_diffdenoise.pipeline.stage_student import Student
from monai_diffdenoise.pipeline.three_stages import run_stages, with_target
from monai_diffdenoise.pipeline.versions import versions
from monai_diffdenoise.pipeline.zero_shot import Denoiser, ZeroShot

__all__ = ["denoise", "denoise_volume"]


def denoise(
    volume: Volume | torch.Tensor | np.ndarray | str | Path,
    *,
    settings: DenoiseSettings | None = None,
    progress: bool | Callable[[str, int, int], None] = False,
    **changes: Any,
) -> Result:
    """Denoise a volume from itself alone.

    Args:
        volume: a :class:`~monai_diffdenoise.data.Volume`; a path that ``read_volume`` reads; or an array (X, Y),
            (X, Y, Z) or (C, X, Y, Z), with its affine if it is a ``MetaTensor``. It is not changed.
        settings: see :class:`~monai_diffdenoise.pipeline.DenoiseSettings`.
        progress: True shows bars on a terminal; a function is called with (stage, done, total).
        changes: single settings by name, such as ``preset="fast"`` or ``seed=1``.

    Returns:
        a :class:`~monai_diffdenoise.pipeline.Result`: ``image`` (C, X, Y, Z) in the input's units, ``residual``,
        ``volume`` to write, and ``report``.

    Raises:
        InputError: when the volume cannot be read, or not be denoised from its own slices.

    Example:
        >>> from monai_diffdenoise import denoise, write_volume
        >>> result = denoise("scan.nii.gz", preset="fast")  # doctest: +SKIP
        >>> write_volume(result.volume, "clean.nii.gz")  # doctest: +SKIP
    """
    unknown = sorted(set(changes) - set(DenoiseSettings.__dataclass_fields__))
    if unknown:
        raise InputError(f"got unknown settings {', '.join(unknown)}; expected names of DenoiseSettings")
    chosen = replace(settings if settings is not None else DenoiseSettings(), **changes)
    chosen.check()
    with memory_limit(chosen.memory):
        if callable(progress):
            return denoise_volume(_as_volume(volume), chosen, progress=progress)
        with ProgressDisplay(enabled=progress) as display:
            return denoise_volume(_as_volume(volume), chosen, progress=display)


def denoise_volume(
    volume: Volume,
    settings: DenoiseSettings,
    *,
    work_dir: Path | None = None,
    resume: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    announce: Callable[[Plan], None] | None = None,
    keep_share: bool = False,
    keep_uncertainty: bool = False,
    keep_stages: bool = False,
    model: Model | None = None,
) -> Result:
    """Plan, train, denoise, fuse, check.

    Args:
        volume: as read; it is not changed.
        settings: what the user asked for.
        work_dir: folder for checkpoints, from which a killed run goes on; None keeps everything in memory.
        resume: go on from a checkpoint in ``work_dir``.
        progress: called with (stage, done, total).
        announce: called with the plan before the work starts.
        keep_share: keep the map of what fusion put back, ``Result.share``.
        keep_uncertainty: keep ``Result.uncertainty``, of method diffdenoise.
        keep_stages: keep ``Result.stages``, of method diffdenoise.
        model: trained already; nothing is trained then.

    Raises:
        InputError: see :func:`denoise`.
    """
    settings.check()
    with memory_limit(settings.memory):
        run = _Run(volume, settings, work_dir, resume, progress, announce, model, keep_stages)
        return with_gates(run.result(keep_share, keep_uncertainty), run.stages.slices, run.stages.put_back)


class _Run:
    """The steps of a run, in order."""

    selection: Selection
    """What of all that was tried is returned."""

    def __init__(
        self,
        volume: Volume,
        settings: DenoiseSettings,
        work_dir: Path | None,
        resume: bool,
        progress: Callable[[str, int, int], None] | None,
        announce: Callable[[Plan], None] | None,
        model: Model | None,
        keep_stages: bool,
    ) -> None:
        self.volume, self.work_dir, self.resume, self.progress, self.model = volume, work_dir, resume, progress, model
        self.device = default_device(settings.device)
        self.stack = stack = as_stack(volume)
        # the result, a normalised channel, a weight: a disk that is too small is no news for after the training
        voxels = volume.image.numel()
        require_room([4 * voxels, 4 * voxels // volume.image.shape[0], voxels])
        self.timings: dict[str, float] = {}
        self.plan = self._timed("analysis", lambda: self._make_plan(settings))
        if model is None and self.plan.method == "diffdenoise":
            settings = replace(settings, method="diffdenoise")
        self.settings = resolve(settings, self.plan.preset_of)
        if self.plan.stabilizer is not None:
            # the stabilized copy, and how much was put back at each voxel
            require_room([4 * voxels] * 3)
        if announce is not None:
            announce(self.plan)
        self.denoised = allocate(stack.image.shape, stack.slice_axis)
        self.notes = [*volume.notes, *self.plan.warnings]
        self.job = ZeroShot(
            stack.image.as_tensor(),
            self.plan,
            self.settings,
            self.device,
            work_dir,
            resume,
            progress,
            stack.slice_axis,
        )
        self.stages = StageImages(self.job, keep_stages)
        self.spread: torch.Tensor | None = None

    def _make_plan(self, settings: DenoiseSettings) -> Plan:
        if self.model is not None:
            return plan_for_model(self.stack, settings, self.model)
        return make_plan(self.stack, with_target(settings) if settings.method == "diffdenoise" else settings)

    def _denoise(self) -> None:
        """Train what the method asks for, choose, and denoise into ``denoised``."""
        job = self.job
        if self.model is not None:
            warning = unlike_training(job, self.model)
            self.notes += [warning] if warning else []
            if runs_as_trained(self.model):
                network = job.take(self.model.network)
                how: nn.Module | Denoiser = self._best(fused_first(job, self.plan.method, network))
            else:
                moved = replace(self.model, network=self.model.network.to(self.device))
                student = Student(moved, self.settings, self.plan.axis, self.plan.distance)
                how = self._best(fused_or_not(job, {"student": student}))
        elif self.settings.method == "diffdenoise":
            self._diffdenoise()
            return
        else:
            trained = self._timed("training", job.train)
            how = self._best(fused_first(job, self.plan.method, trained))
        self._timed("denoising", lambda: job.infer(how, self.denoised))

    def _diffdenoise(self) -> None:
        """All stages on this volume; the best of what they made, into ``denoised``."""
        stages = Stages((self.job,), self.settings, self.device, self.work_dir, self.resume, self.progress)
        made = run_stages(stages)
        self.timings.update(made.seconds)
        self.job.scores = {**made.scores["blind-spot"], "stages": made.scores}
        others: dict[str, Denoiser] = {self.settings.sampler: made.sampler(self.job)}
        if made.student is not None:
            others["student"] = Student(made.student, self.settings, self.plan.axis, self.plan.distance)
        how = self._best({**fused_first(self.job, "bsn", made.first), **fused_or_not(self.job, others)})
        self.spread = made.sampled[0].spread
        self._timed("denoising", lambda: self.job.infer(made.first, self.denoised))
        self.stages.add("blind-spot network", self.denoised)
        self.stages.add("diffusion model", made.sampled[0].mean, checked=isinstance(how, (Sampler, Student)))
        if isinstance(how, Sampler):
            self.denoised.copy_(made.sampled[0].mean)
        elif isinstance(how, Student):
            self.job.infer(how, self.denoised)
            self.stages.add("student", self.denoised)

    def _best(self, candidates: Mapping[str, nn.Module | Denoiser]) -> nn.Module | Denoiser:
        selection = self.selection = self._timed("choice", lambda: choose_candidate(self.job, candidates))
        self.job.scores["choice"] = selection.as_dict()
        return candidates[selection.name]

    def _uncertainty(self) -> torch.Tensor | None:
        """The spread in input units, before ``denoised`` is brought back to them."""
        if self.spread is None or self.job.stabilizer is None:
            return self.spread
        return restored_spread(self.denoised, self.spread, self.job.stabilizer, self.stack.slice_axis)

    def result(self, keep_share: bool, keep_uncertainty: bool) -> Result:
        """Denoise, fuse, check, report."""
        job, stack, volume = self.job, self.stack, self.volume
        self._denoise()
        share = uncertainty = None
        put_back = None
        fused = self.selection.name.endswith(FUSED)
        if keep_share or (fused and (job.stabilizer is not None or self.stages.slices)):
            share = allocate(stack.image.shape, stack.slice_axis)
        if fused:
            _, put_back = self._timed("fusion", lambda: job.fuse(self.denoised, self.denoised, share))
            if share is not None:
                self.stages.fused(share)
        elif share is not None:
            share.zero_()
        if keep_uncertainty:
            uncertainty = self._uncertainty()
        verdict = self.selection.verdict
        scores: dict[str, Any] = dict(job.scores)
        if put_back is not None:
            scores["put_back"] = put_back
        scores["verdict"] = None if verdict is None else verdict.as_dict()
        why = harm(job, verdict, put_back)
        denoised = self.denoised
        if why:
            denoised = stack.image.as_tensor()
            share = None if share is None else share.fill_(1.0)
            self.stages.slices.clear()
            self.notes.append(f"returned unchanged: {why}")
        elif job.stabilizer is not None:
            restore(denoised, job.stabilizer, stack.slice_axis, share)
        if scores.get("skipped_iterations"):
            self.notes.append(f"{scores['skipped_iterations']} training steps were skipped, their loss was not finite")
        if volume.nonfinite:
            self.notes.append(f"{volume.nonfinite} voxels have no finite value; they stay as they were")
        report = {
            "plan": asdict(self.plan),
            "settings": asdict(self.settings),
            "input": volume.summary(),
            "seed": self.settings.seed,
            "device": str(self.device),
            "scores": scores,
            "timings_s": {name: round(seconds, 3) for name, seconds in self.timings.items()},
            "versions": versions(),
            "warnings": self.notes,
        }
        shape = volume.image.shape
        kept = share.reshape(shape) if share is not None and keep_share else None
        return Result(
            volume.with_image(denoised.reshape(shape)),
            volume.image,
            report,
            kept,
            None if uncertainty is None else uncertainty.reshape(shape),
            {name: image.reshape(shape) for name, image in self.stages.images.items()},
        )

    def _timed(self, name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        self.timings[name] = time.perf_counter() - start
        return result


def _as_volume(volume: Volume | torch.Tensor | np.ndarray | str | Path) -> Volume:
    if isinstance(volume, Volume):
        return volume
    if isinstance(volume, (str, Path)):
        return read_volume(volume)
    return volume_from_array(volume[None] if volume.ndim in (2, 3) else volume)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The main entry: a volume in, a denoised volume and a report out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_diffdenoise.data import Volume, read_volume, volume_from_array
from monai_diffdenoise.data.storage import allocate, memory_limit, require_room
from monai_diffdenoise.engines import ProgressDisplay, default_device
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.do_no_harm import harm, judge
from monai_diffdenoise.pipeline.gates import with_gates
from monai_diffdenoise.pipeline.plan import Plan, make_plan
from monai_diffdenoise.pipeline.planes import as_stack
from monai_diffdenoise.pipeline.result import Result
from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve
from monai_diffdenoise.pipeline.stabilized import restore
from monai_diffdenoise.pipeline.zero_shot import ZeroShot

__all__ = ["denoise", "denoise_volume"]

_PACKAGES = ("monai-diffdenoise", "monai", "torch", "pytorch-ignite", "numpy", "nibabel", "pydicom")


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

    Raises:
        InputError: see :func:`denoise`.
    """
    settings.check()
    with memory_limit(settings.memory):
        return with_gates(_denoise_volume(volume, settings, work_dir, resume, progress, announce, keep_share))


def _denoise_volume(
    volume: Volume,
    settings: DenoiseSettings,
    work_dir: Path | None,
    resume: bool,
    progress: Callable[[str, int, int], None] | None,
    announce: Callable[[Plan], None] | None,
    keep_share: bool,
) -> Result:
    device = default_device(settings.device)
    stack = as_stack(volume)
    # the result, a normalised channel, a weight: a disk that is too small is no news for after the training
    voxels = volume.image.numel()
    require_room([4 * voxels, 4 * voxels // volume.image.shape[0], voxels])
    timings: dict[str, float] = {}
    plan = _timed(timings, "analysis", lambda: make_plan(stack, settings))
    settings = resolve(settings, plan.preset_of)
    if plan.stabilizer is not None:
        # the stabilized copy, and how much was put back at each voxel
        require_room([4 * voxels] * 3)
    if announce is not None:
        announce(plan)
    denoised = allocate(stack.image.shape, stack.slice_axis)
    job = ZeroShot(stack.image.as_tensor(), plan, settings, device, work_dir, resume, progress, stack.slice_axis)
    network = _timed(timings, "training", job.train)
    _timed(timings, "denoising", lambda: job.infer(network, denoised))
    notes = [*volume.notes, *plan.warnings]
    scores: dict[str, Any] = dict(job.scores)
    share = None
    if settings.fusion:
        if keep_share or job.stabilizer is not None:
            share = allocate(stack.image.shape, stack.slice_axis)
        _, scores["put_back"] = _timed(timings, "fusion", lambda: job.fuse(denoised, denoised, share))
    verdict = _timed(timings, "checks", lambda: judge(job, network))
    scores["verdict"] = None if verdict is None else verdict.as_dict()
    why = harm(job, verdict)
    if why:
        denoised = stack.image.as_tensor()
        share = None if share is None else share.fill_(1.0)
        notes.append(f"returned unchanged: {why}")
    elif job.stabilizer is not None:
        restore(denoised, job.stabilizer, stack.slice_axis, share)
    if scores["skipped_iterations"]:
        notes.append(f"{scores['skipped_iterations']} training steps were skipped, their loss was not finite")
    if volume.nonfinite:
        notes.append(f"{volume.nonfinite} voxels have no finite value; they stay as they were")
    report = {
        "plan": asdict(plan),
        "settings": asdict(settings),
        "input": volume.summary(),
        "seed": settings.seed,
        "device": str(device),
        "scores": scores,
        "timings_s": {name: round(seconds, 3) for name, seconds in timings.items()},
        "versions": _versions(),
        "warnings": notes,
    }
    shape = volume.image.shape
    kept = share.reshape(shape) if share is not None and keep_share else None
    return Result(volume.with_image(denoised.reshape(shape)), volume.image, report, kept)


def _as_volume(volume: Volume | torch.Tensor | np.ndarray | str | Path) -> Volume:
    if isinstance(volume, Volume):
        return volume
    if isinstance(volume, (str, Path)):
        return read_volume(volume)
    return volume_from_array(volume[None] if volume.ndim in (2, 3) else volume)


def _timed(timings: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = work()
    timings[name] = time.perf_counter() - start
    return result


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found

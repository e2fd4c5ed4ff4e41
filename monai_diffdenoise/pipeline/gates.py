# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""All gates over a run, from what its plan knows of the noise."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch

from monai_diffdenoise.metrics.gates import (
    Gate,
    clipping_gate,
    correlation_gate,
    created_gate,
    mean_drift_gate,
    seam_gate,
    stages_gate,
    structure_gate,
)
from monai_diffdenoise.pipeline.result import Result
from monai_diffdenoise.report.sample import noise_level, sample_voxels, slice_sample

__all__ = ["gates_line", "run_gates", "with_gates"]

_GATES = (mean_drift_gate, structure_gate, correlation_gate, created_gate, seam_gate, clipping_gate)


def run_gates(
    noisy: torch.Tensor,
    denoised: torch.Tensor,
    slice_axis: int,
    noise: Mapping[str, Any] | None,
    *,
    sigma: float | None = None,
    stages: Mapping[str, torch.Tensor] | None = None,
    put_back: torch.Tensor | None = None,
) -> tuple[Gate, ...]:
    """Ask every gate about a run.

    Args:
        noisy: (C, *S), input units.
        denoised: same shape.
        slice_axis: spatial axis of the slices.
        noise: ``Plan.noise``; without it white noise of level ``sigma`` is expected.
        sigma: level of the noise, ``Plan.sigma``.
        stages: name to image (C, *S), or slices of it (N, H, W), of each stage of a run that has several.
        put_back: share that fusion put back, shaped as the stages are; None where nothing was.

    Returns:
        the gates; none where no level of the noise is known.
    """
    level = noise_level(noise, sigma)
    if level is None:
        return ()
    voxels = sample_voxels()
    before, after = (slice_sample(image, slice_axis, voxels) for image in (noisy, denoised))
    found = [ask(before, after, level) for ask in _GATES]
    if stages is not None and len(stages) > 1:
        looked = {name: slice_sample(image, slice_axis, voxels) for name, image in stages.items()}
        share = None if put_back is None else slice_sample(put_back, slice_axis, voxels)
        found.append(stages_gate(looked, level, share, before))
    return tuple(found)


def with_gates(
    result: Result, stages: Mapping[str, torch.Tensor] | None = None, put_back: torch.Tensor | None = None
) -> Result:
    """Ask the gates about a result, and write down what they found in its report, under "gates".

    Args:
        result: of a run; its report gets the entry.
        stages: see :func:`run_gates`.
        put_back: see :func:`run_gates`.
    """
    started = time.perf_counter()
    plan, report = result.report["plan"], result.report
    image, axis = result.image.as_tensor(), result.volume.slice_axis
    noisy, known = result.noisy.as_tensor(), {"sigma": plan["sigma"], "stages": stages, "put_back": put_back}
    found = run_gates(noisy, image, axis, plan["noise"], **known)
    report["gates"] = [gate.as_dict() for gate in found]
    report["timings_s"]["gates"] = round(time.perf_counter() - started, 3)
    return result


def gates_line(gates: list[dict[str, Any]]) -> str:
    """What the gates of a report found, in one line for a terminal."""
    if not gates:
        return "gates: none, the level of the noise is not known"
    text = "; ".join(
        f"{gate['verdict']}: {gate['name']}, {gate['reason']}" for gate in gates if gate["verdict"] != "pass"
    )
    passed = sum(gate["verdict"] == "pass" for gate in gates)
    return f"gates: {passed} of {len(gates)} pass" + (f"; {text}" if text else "")

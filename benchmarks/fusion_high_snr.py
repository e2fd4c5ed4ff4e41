# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether what the program writes is ever worse than its input: ``python -m benchmarks.fusion --high-snr``."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import cases
from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.do_no_harm import harm, judge
from monai_diffdenoise.pipeline.plan import make_plan
from monai_diffdenoise.pipeline.planes import as_stack
from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve
from monai_diffdenoise.pipeline.stabilized import restore
from monai_diffdenoise.pipeline.zero_shot import ZeroShot

__all__ = ["high_snr_rows", "high_snr_table", "markdown"]

Row = dict[str, Any]
_INSIDE = 0.15
_HIGH_SNR = [
    f"B_{name}_{kind}_{strength}"
    for name in ("icbm152_crop96x96x40", "ct_mid122x101x64")
    for kind in ("gaussian", "rician")
    for strength in (0.01, 0.02)
]
_REAL_OR_NOISY = (
    "A_mri_phantom_philips_highsnr",
    "B_icbm152_crop96x96x40_gaussian_0.05",
    "B_icbm152_crop96x96x40_gaussian_0.1",
    "B_ct_mid122x101x64_gaussian_0.1",
    "A_oct_duke_s02",
)


def _high_snr_case(name: str, data: Path) -> cases.Case:
    base, kind, strength = name.removeprefix("B_").rsplit("_", 2)
    return cases.known_case(data, 0, kind=kind, strength=float(strength), **cases._CLEAN[base])


def _phantom_case(kind: str, strength: float) -> cases.Case:
    clean = make_phantom((96, 96, 40))
    clean = clean if clean.dim() == 4 else clean[None]
    noisy = add_noise(clean, kind, strength, 0)
    return cases.Case(volume_from_array(noisy), clean, clean > _INSIDE, 1.0, strength)


def high_snr_rows(options: argparse.Namespace) -> Iterator[Row]:
    """One row a case: what ``denoise`` does with it."""
    data = options.data
    work: dict[str, Callable[[], cases.Case]] = {
        f"phantom_{kind}_{strength}": partial(_phantom_case, kind, strength)
        for kind in ("gaussian", "rician")
        for strength in (0.005, 0.01, 0.02)
    }
    if data is not None:
        work |= {name: partial(_high_snr_case, name, Path(data)) for name in _HIGH_SNR}
        work |= {name: partial(cases.load_case, name, Path(data), 0) for name in _REAL_OR_NOISY}
    for name, load in work.items():
        if options.only in name:
            yield _run(name, load(), DenoiseSettings(options.method, preset="fast", iterations=options.iterations))


def _run(name: str, case: cases.Case, settings: DenoiseSettings) -> Row:
    """What ``denoise`` does, with the result before fusion kept."""
    volume = as_stack(case.volume)
    noisy = volume.image.as_tensor()
    row: Row = {"case": name, "input": _psnr(noisy, case)}
    start = time.perf_counter()
    try:
        plan = make_plan(volume, settings)
    except InputError as error:
        return {**row, "refused": str(error)}
    job = ZeroShot(noisy, plan, resolve(settings, plan.preset_of), torch.device("cpu"), slice_axis=volume.slice_axis)
    network = job.train()
    seen = job.plan
    bare = job.infer(network, torch.empty_like(job.work))
    fused, put_back = job.fuse(bare, bare.clone())
    outputs = {"bare": bare, "fused": fused}
    if job.noise.matched:
        job.noise.plan = replace(plan, local_noise=True)
        job.plan = replace(plan, noise_gain=0.0)
        outputs["map"] = job.fuse(bare, bare.clone())[0]
        job.noise.plan, job.plan = plan, seen
    for step, output in outputs.items():
        plain = output if job.stabilizer is None else restore(output.clone(), job.stabilizer, volume.slice_axis)
        row[step] = _psnr(plain, case)
    row["unchanged"] = bool(harm(job, judge(job, network), put_back))
    row["written"] = row["input"] if row["unchanged"] else row["fused"]
    row["gain"] = job.plan.noise_gain
    row["certain"] = plan.noise is not None and plan.noise["certain"]
    row["sigma"] = (plan.sigma or math.nan) / case.sigma
    row["seconds"] = time.perf_counter() - start
    return row


def _psnr(output: torch.Tensor, case: cases.Case) -> float:
    error = (case.pick(output) - case.reference).double()[case.mask.expand_as(case.reference)]
    return 10 * math.log10(case.data_range**2 / float(error.square().mean()))


def high_snr_table(rows: list[Row]) -> str:
    """As Markdown."""
    head = [
        "case",
        "input dB",
        "bare",
        "fused by the map",
        "fused",
        "written against input",
        "sigma / true",
        "noise gain",
        "certain",
        "",
    ]
    lines = []
    for row in rows:
        if "refused" in row:
            lines.append([row["case"], f"{row['input']:.2f}", *["-"] * 7, "refused"])
            continue
        gain = row["written"] - row["input"]
        note = "FAILS" if gain < -0.1 else ("returned unchanged" if row["unchanged"] else "")
        values = [f"{row[key]:.2f}" if key in row else "-" for key in ("input", "bare", "map", "fused")]
        sure = "yes" if row["certain"] else "no"
        lines.append([row["case"], *values, f"{gain:+.2f}", f"{row['sigma']:.2f}", f"{row['gain']:.2f}", sure, note])
    return markdown(head, lines)


def markdown(head: list[str], lines: list[list[str]]) -> str:
    """A table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines]) + "\n"

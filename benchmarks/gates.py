# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Do the gates fire on planted faults, and stay quiet on good runs?

    python -m benchmarks.gates --out OUT [--data ../shared/data] [--runs truth,nlm,ours] [--iterations 200] [--every N]

Each case (benchmarks/gates_cases.py) is denoised by honest denoisers: scikit-image's non-local means (nlm), told the
measured noise, and ours with the preset fast (ours), trained for fewer iterations if asked to. Their results are the
good runs; a result that the clean volume or the reference calls worse than the noisy one is none and is left out, and
so is one that our own checks replaced by the noisy image. A third one (truth) returns the clean volume itself, where
it is known: whatever fires on it is a false alarm for certain. Into each good run but that one every fault is planted
on its own (benchmarks/gates_faults.py), if the clean volume agrees that it does harm. A false alarm is a good run on
which a gate fails; a miss is a fault that its gate does not call a fail, or, in brackets, not even a warning. Denoised
volumes are kept in OUT and used again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.restoration import denoise_nl_means

from benchmarks.gates_cases import GateCase, gate_cases
from benchmarks.gates_faults import FAULTS
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.pipeline.gates import run_gates
from monai_diffdenoise.pipeline.plan import Plan, make_plan
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.report.sample import noise_level

__all__ = ["main"]


def main() -> None:
    """Run the cases, write rows.json, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("DIFFDENOISE_DATA"), help="real scans")
    parser.add_argument("--out", type=Path, required=True, help="folder for rows.json and denoised volumes")
    parser.add_argument("--runs", default="nlm,ours", help="which denoisers make the good runs")
    parser.add_argument("--iterations", type=int, help="of our training; by default the preset's")
    parser.add_argument("--every", type=int, default=1, help="take every so many cases only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for case in gate_cases(options.data)[:: options.every]:
        for run in options.runs.split(","):
            start = time.perf_counter()
            try:
                rows += _rows(case, run, options)
            except ValueError as error:
                print(f"{case.name} {run}: {error}", flush=True)
                continue
            print(f"{case.name} {run} {time.perf_counter() - start:.1f} s", flush=True)
            (options.out / "rows.json").write_text(json.dumps(rows, indent=1) + "\n")
    for run in options.runs.split(","):
        print(f"\n{run}")
        print_tables([row for row in rows if row["run"] == run])


def _rows(case: GateCase, run: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    volume = case.volume
    plan = make_plan(volume, DenoiseSettings())
    noisy = volume.image.as_tensor()
    good = _denoised(case, run, plan, options)
    if good is None:
        return []
    if torch.equal(good, noisy):
        raise ValueError("returned unchanged")
    if case.truth is not None and not case.error(good) < case.error(noisy):
        return []
    level = noise_level(plan.noise, plan.sigma)
    if level is None:
        return []
    rows = []
    planted = FAULTS if run != "truth" else {}
    for name, (gate, plant) in {"none": ("", lambda y, f, s, a: f), **planted}.items():
        faulty = plant(noisy, good, level.sigma, volume.slice_axis)
        if name != "none" and case.truth is not None and case.error(faulty) <= case.error(good):
            continue
        found = run_gates(noisy, faulty, volume.slice_axis, plan.noise, sigma=plan.sigma)
        certain = plan.noise is not None and bool(plan.noise["certain"])
        gates = {one.name: [one.value, one.threshold, one.verdict, one.reason] for one in found}
        rows.append(
            {"case": case.name, "kind": case.kind, "run": run, "fault": name, "gate": gate, "gates": gates}
            | {"certain": certain}
        )
    return rows


def _denoised(case: GateCase, run: str, plan: Plan, options: argparse.Namespace) -> torch.Tensor | None:
    if run == "truth":
        return case.truth
    path = options.out / f"{case.name}-{run}.npy"
    if not path.exists():
        made = _nlm(case.volume, plan) if run == "nlm" else _ours(case.volume, options.iterations)
        np.save(path, made.numpy())
    return torch.from_numpy(np.load(path))


def _ours(volume: Volume, iterations: int | None) -> torch.Tensor:
    from monai_diffdenoise import denoise

    return denoise(volume, preset="fast", iterations=iterations).image.as_tensor()


def _nlm(volume: Volume, plan: Plan) -> torch.Tensor:
    """Non-local means slice by slice, for noise as strong as at the middle brightness of each slice."""
    noisy = volume.image.numpy().astype(np.float64)
    planes = noisy[:, None] if noisy.ndim == 3 else np.moveaxis(noisy, 1 + volume.slice_axis, 1)
    level, output = float(plan.sigma or 0.0), np.empty_like(planes)
    for index in np.ndindex(planes.shape[:2]):
        plane = np.ascontiguousarray(planes[index])
        output[index] = denoise_nl_means(
            plane, patch_size=5, patch_distance=5, h=0.8 * level, sigma=level, fast_mode=True
        )
    output = output[:, 0] if noisy.ndim == 3 else np.moveaxis(output, 1, 1 + volume.slice_axis)
    return torch.from_numpy(np.ascontiguousarray(output)).float()


def print_tables(rows: list[dict[str, Any]]) -> None:
    """The tables of docs/trust.md."""
    good = [row for row in rows if row["fault"] == "none"]
    names = list(good[0]["gates"]) if good else []
    kinds = sorted({row["kind"] for row in rows})
    print("\nFalse alarms: good runs on which a gate fails (in brackets: warns)\n")
    print("| gate | " + " | ".join(f"{k} ({sum(r['kind'] == k for r in good)})" for k in kinds) + " | all |")
    print("|---" * (len(kinds) + 2) + "|")
    for name in names:
        cells = [_count([r for r in good if r["kind"] == kind], name) for kind in kinds]
        print(f"| {name} | " + " | ".join(cells) + f" | {_count(good, name)} of {len(good)} |")
    if all(row["fault"] == "none" for row in rows):
        return
    print("\nMisses: planted faults that their gate does not fail (in brackets: does not even warn of)\n")
    print("| fault | gate | " + " | ".join(kinds) + " | all | any gate fails |")
    print("|---" * (len(kinds) + 4) + "|")
    for fault in FAULTS:
        chosen = [row for row in rows if row["fault"] == fault]
        cells = [_missed([r for r in chosen if r["kind"] == kind]) for kind in kinds]
        caught = sum(any(value[2] == "fail" for value in row["gates"].values()) for row in chosen)
        gate = chosen[0]["gate"] if chosen else ""
        total = f"{_missed(chosen)} of {len(chosen)}"
        print(f"| {fault} | {gate} | " + " | ".join(cells) + f" | {total} | {caught} of {len(chosen)} |")


def _count(rows: list[dict[str, Any]], name: str) -> str:
    verdicts = [row["gates"][name][2] for row in rows]
    return f"{verdicts.count('fail')} ({verdicts.count('warn')})"


def _missed(rows: list[dict[str, Any]]) -> str:
    verdicts = [row["gates"][row["gate"]][2] for row in rows]
    return f"{len(verdicts) - verdicts.count('fail')} ({verdicts.count('pass')})"


if __name__ == "__main__":
    main()

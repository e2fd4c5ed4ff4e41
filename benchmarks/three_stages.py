# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Method diffdenoise on the ICBM152 crop: what each stage reaches, and which one the scores without a reference choose.

    python -m benchmarks.three_stages --data DATA --keep FOLDER [--kind correlated] [--strength 0.1] [--student 1500]
        [--first 700]

Stages that are in FOLDER already, with the same settings, are not run again. The clean template is used for PSNR alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import nn

from benchmarks.cases import ICBM_CROP, known_case
from monai_diffdenoise.metrics import psnr
from monai_diffdenoise.pipeline.choose_candidate import FUSED, choose_candidate, fused_or_not
from monai_diffdenoise.pipeline.plan import make_plan
from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve
from monai_diffdenoise.pipeline.stage import Stages
from monai_diffdenoise.pipeline.stage_student import Student
from monai_diffdenoise.pipeline.three_stages import run_stages
from monai_diffdenoise.pipeline.zero_shot import Denoiser, ZeroShot

__all__ = ["main"]


def main() -> None:
    """Run all stages and score each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the class B volumes")
    parser.add_argument("--keep", type=Path, required=True, help="folder of the stages")
    parser.add_argument("--kind", default="gaussian", help="of the noise")
    parser.add_argument("--strength", type=float, default=0.1, help="of the noise, as a share of the range")
    parser.add_argument("--preset", choices=("fast", "balanced", "best"), default="fast")
    parser.add_argument("--student", type=int, default=0, help="optimizer steps of the student; 0 for none")
    parser.add_argument("--first", type=int, default=0, help="optimizer steps of a weaker first stage; 0: by preset")
    options = parser.parse_args()
    torch.set_num_threads(1)
    case = known_case(options.data, 0, **ICBM_CROP, kind=options.kind, strength=options.strength)
    asked = DenoiseSettings(
        method="diffdenoise",
        preset=options.preset,
        device="cpu",
        iterations=options.first or None,
        augment_inference=False if options.first else None,
        student=options.student > 0,
        student_iterations=options.student or None,
    )
    plan = make_plan(case.volume, asked)
    settings = resolve(asked, plan.preset_of)
    print(plan.summary, flush=True)
    device = torch.device("cpu")
    job = ZeroShot(case.volume.image.as_tensor(), plan, settings, device, slice_axis=case.volume.slice_axis)
    start = time.process_time()
    made = run_stages(Stages((job,), settings, device, options.keep))
    print(f"processor seconds of this call {time.process_time() - start:.0f}", flush=True)

    def score(name: str, image: torch.Tensor) -> None:
        print(f"{name}: {float(psnr(image, case.reference, case.data_range, case.mask)):.2f} dB", flush=True)

    score("noisy", job.image)
    others: dict[str, Denoiser] = {settings.sampler: made.sampler(job)}
    if made.student is not None:
        others["student"] = Student(made.student, settings, plan.axis, plan.distance)
    stages: dict[str, nn.Module | Denoiser] = {"bsn": made.first, **others}
    for name, how in stages.items():
        denoised = job.infer(how, torch.empty_like(job.work))
        score(name, denoised)
        job.fuse(denoised, denoised)
        score(name + FUSED, denoised)
    print(choose_candidate(job, {"bsn" + FUSED: made.first, **fused_or_not(job, others)}).reason)


if __name__ == "__main__":
    main()

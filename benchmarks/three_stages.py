# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Method diffdenoise on one volume: what each stage reaches, and which one the scores without a reference choose.

    python -m benchmarks.three_stages --data DATA --keep FOLDER [--case A_oct_duke_s02] [--student 1500]
        [--sampler srds] [--first 700] [--second 400] [--unseen [--kind correlated] [--strength 0.1]]

The cases are those of ``benchmarks quality``. Stages that are in FOLDER already, with the same settings, are not run
again. References are used for the scores alone.
With ``--unseen``, ``fit`` trains on two crops of the upper part of the template, and its student denoises volumes that
it never saw, a lower part of the template and a crop of a T1 scan with the same noise, beside all stages trained on
these volumes themselves for as many steps; and the same in tiles, and with the channel statistics of whole images.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from benchmarks.cases import ICBM_CROP, Case, known_case
from benchmarks.methods import score
from benchmarks.quality.cases import CASES
from monai_diffdenoise.data import write_volume
from monai_diffdenoise.networks.blocks import use_local_attention
from monai_diffdenoise.pipeline.choose_candidate import FUSED, choose_candidate, fused_or_not
from monai_diffdenoise.pipeline.fit import fit
from monai_diffdenoise.pipeline.model_folder import load_model
from monai_diffdenoise.pipeline.model_plan import plan_for_model, unlike_training
from monai_diffdenoise.pipeline.plan import make_plan
from monai_diffdenoise.pipeline.planes import as_stack
from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve
from monai_diffdenoise.pipeline.stabilized import restore
from monai_diffdenoise.pipeline.stage import Stages
from monai_diffdenoise.pipeline.stage_student import Student
from monai_diffdenoise.pipeline.three_stages import run_stages
from monai_diffdenoise.pipeline.zero_shot import Denoiser, ZeroShot

__all__ = ["main"]


_ICBM = {"file": ICBM_CROP["file"], "limits": ICBM_CROP["limits"]}
_TRAINED = {
    f"ICBM152, upper part {k}": {**_ICBM, "crop": (slice(x, x + 80), slice(y, y + 80), slice(84, 108))}
    for k, (x, y) in enumerate(((55, 40), (75, 130)), start=1)
}
# Smaller than the crops, as 512 is smaller than large slices.
_TILE = 48
_UNSEEN = {
    "ICBM152, lower part": {**_ICBM, "crop": (slice(55, 135), slice(80, 160), slice(40, 64))},
    "T1 scan": {
        "file": "B_clean_t1_mprage_prisma_crop.nii.gz",
        "limits": (0.0, 629.0),
        "crop": (slice(88, 168), slice(88, 168), slice(4, 28)),
    },
}


def main() -> None:
    """Run all stages and score each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the class B volumes")
    parser.add_argument("--keep", type=Path, required=True, help="folder of the stages")
    parser.add_argument("--case", choices=CASES, default="B_icbm152_crop_gaussian_0.1", metavar="NAME")
    parser.add_argument("--kind", default="gaussian", help="of the noise, with --unseen")
    parser.add_argument("--strength", type=float, default=0.1, help="of the noise, with --unseen")
    parser.add_argument("--preset", choices=("fast", "balanced", "best"), default="fast")
    parser.add_argument("--student", type=int, default=0, help="optimizer steps of the student; 0 for none")
    parser.add_argument("--first", type=int, default=0, help="optimizer steps of a weaker first stage; 0: by preset")
    parser.add_argument("--second", type=int, default=0, help="optimizer steps of the second stage; 0: by preset")
    parser.add_argument("--sampler", choices=("mean", "srds"), default="mean", help="of the second stage")
    parser.add_argument("--unseen", action="store_true", help="a student of other volumes, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    asked = DenoiseSettings(
        method="diffdenoise",
        preset=options.preset,
        device="cpu",
        iterations=options.first or None,
        augment_inference=False if options.first else None,
        diffusion_iterations=options.second or None,
        sampler=options.sampler,
        student=options.student > 0,
        student_iterations=options.student or None,
    )
    if not options.unseen:
        print(options.case, flush=True)
        _run_stages(CASES[options.case](options.data, 0), asked, options.keep)
        return
    noise = {"kind": options.kind, "strength": options.strength}
    data, work = options.keep / "data", options.keep / "fit"
    data.mkdir(parents=True, exist_ok=True)
    trained = {name: known_case(options.data, 1 + k, **how, **noise) for k, (name, how) in enumerate(_TRAINED.items())}
    for number, case in enumerate(trained.values()):
        write_volume(case.volume, data / f"{number}.nii.gz", overwrite=True)
    start = time.process_time()
    fit(data, work, asked, resume=True, say=lambda text: print(text, flush=True))
    print(f"processor seconds of the fit in this call {time.process_time() - start:.0f}", flush=True)
    for name, case in trained.items():
        print(f"{name}, seen by the fit", flush=True)
        _score("noisy", case.volume.image, case)
        _run_model(case, work)
    for number, (name, how) in enumerate(_UNSEEN.items()):
        print(f"{name}, not seen by the fit", flush=True)
        case = known_case(options.data, 10 + number, **how, **noise)
        _run_model(case, work)
        _run_stages(case, asked, options.keep / str(number))


def _score(name: str, image: torch.Tensor, case: Case) -> None:
    found = score(case, torch.as_tensor(image).reshape(case.volume.image.shape))
    told = f"{found['psnr']:.2f} dB, SSIM {found['ssim'] or math.nan:.3f}, bias {found['bias_percent']:+.2f} %"
    print(f"{name}: {told}, noise gain {found.get('noise_gain', math.nan):.2f}", flush=True)


def _score_all(job: ZeroShot, stages: Mapping[str, nn.Module | Denoiser], case: Case) -> None:
    """The result of each, without and with fusion."""
    for name, how in stages.items():
        denoised = job.infer(how, torch.empty_like(job.work))
        shares = torch.empty_like(denoised)
        fused, mean_share = job.fuse(denoised, torch.empty_like(denoised), shares)
        ways = {"": (denoised, None), f"{FUSED}, {mean_share:.0%} put back": (fused, shares)}
        for way, (image, share) in ways.items():
            if job.stabilizer is not None:
                restore(image, job.stabilizer, job.slice_axis, share)
            _score(name + way, image, case)


def _run_model(case: Case, work: Path) -> None:
    """What ``denoise --model`` has to choose from."""
    model, device = load_model(work), torch.device("cpu")
    plan = plan_for_model(case.volume, DenoiseSettings(device="cpu"), model)
    settings = resolve(DenoiseSettings(device="cpu"), plan.preset_of)
    job = ZeroShot(case.volume.image.as_tensor(), plan, settings, device, slice_axis=case.volume.slice_axis)
    print(unlike_training(job, model) or "noise as in the training of the fit", flush=True)
    students = {}
    for statistics, window in (("", model.arguments["window"]), (", global statistics", None)):
        network = use_local_attention(copy.deepcopy(model.network), window)
        for tile in (settings.tile, _TILE):
            how = replace(settings, tile=tile)
            name = f"student of the fit{statistics}{', tiles' if tile == _TILE else ''}"
            students[name] = Student(replace(model, network=network), how, plan.axis, plan.distance)
    _score_all(job, students, case)


def _run_stages(case: Case, asked: DenoiseSettings, keep: Path) -> None:
    """All stages, trained on the case itself."""
    stack = as_stack(case.volume)
    plan = make_plan(stack, asked)
    settings = resolve(asked, plan.preset_of)
    print(plan.summary, flush=True)
    device = torch.device("cpu")
    job = ZeroShot(stack.image.as_tensor(), plan, settings, device, slice_axis=stack.slice_axis)
    start = time.process_time()
    made = run_stages(Stages((job,), settings, device, keep))
    print(f"processor seconds of this call {time.process_time() - start:.0f}", flush=True)
    _score("noisy", job.image, case)
    others: dict[str, Denoiser] = {settings.sampler: made.sampler(job)}
    if made.student is not None:
        others["student"] = Student(made.student, settings, plan.axis, plan.distance)
    _score_all(job, {"bsn": made.first, **others}, case)
    print(choose_candidate(job, {"bsn" + FUSED: made.first, **fused_or_not(job, others)}).reason)


if __name__ == "__main__":
    main()

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Does the gate "stages" fire when one stage does what the others do not, and stay quiet on good runs?

    python -m benchmarks.gates_stages --data ../shared/data --cases t1-rician-0.1 A_mri_asl_pcasl3d --iterations 200

Each case (benchmarks/gates_cases.py) is denoised by method diffdenoise with the preset fast, trained for fewer
iterations if asked to. The value of the gate is printed for the run as it is, and with each of some faults of
benchmarks/gates_faults.py planted into what the diffusion model made.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import torch

from benchmarks.gates_cases import gate_cases
from benchmarks.gates_faults import FAULTS
from monai_diffdenoise.metrics.gates import stages_gate
from monai_diffdenoise.pipeline.run import denoise_volume
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.report.sample import noise_level, sample_voxels, slice_sample

__all__ = ["main"]

_PLANTED = (
    "edges smoothed by 2 pixels",
    "disk of 3 sigma pasted",
    "disk of 2 sigma pasted",
    "shading of 0.7 sigma",
)
_LAST = "diffusion model"


def main() -> None:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("DIFFDENOISE_DATA"), help="real scans")
    parser.add_argument("--cases", nargs="+", required=True, help="names of benchmarks/gates_cases.py")
    parser.add_argument("--iterations", type=int, help="of each training; by default the preset's")
    options = parser.parse_args()
    torch.set_num_threads(1)
    short: dict[str, Any] = {"iterations": options.iterations, "diffusion_iterations": options.iterations}
    settings = DenoiseSettings(method="diffdenoise", preset="fast", device="cpu", **short)
    print("| case | returned | good run | " + " | ".join(_PLANTED) + " |", flush=True)
    print("|---" * (3 + len(_PLANTED)) + "|", flush=True)
    for case in gate_cases(options.data):
        if case.name not in options.cases:
            continue
        result = denoise_volume(case.volume, settings, keep_stages=True, keep_share=True)
        fused = result.report["scores"]["choice"]["returned"].endswith("fusion") and result.share is not None
        put_back = slice_sample(result.share, case.volume.slice_axis, sample_voxels()) if fused else None
        plan = result.report["plan"]
        level = noise_level(plan["noise"], plan["sigma"])
        if level is None:
            continue
        axis, noisy = case.volume.slice_axis, case.volume.image.as_tensor()
        cells = []
        for name in (None, *_PLANTED):
            stages = dict(result.stages)
            if name is not None:
                stages[_LAST] = FAULTS[name][1](noisy, stages[_LAST].contiguous(), level.sigma, axis)
            looked = {key: slice_sample(one, axis, sample_voxels()) for key, one in stages.items()}
            gate = stages_gate(looked, level, put_back, slice_sample(noisy, axis, sample_voxels()))
            cells.append(f"{gate.value:.2f} {gate.verdict}")
        returned = result.report["scores"]["choice"]["returned"]
        print(f"| {case.name} | {returned} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()

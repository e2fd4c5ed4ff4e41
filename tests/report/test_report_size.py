# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What the checks and the report of a large volume take, in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# A volume of 32 MiB in float32; noisy, denoised, two maps and two stages lie in scratch files, as they do where memory
# is short.
SCRIPT = """
import json, resource, sys, time
import torch
from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.storage import allocate, drop_pages, memory_limit
from monai_diffdenoise.pipeline.gates import with_gates
from monai_diffdenoise.pipeline.result import Result
from tests.report.modalities import modality_result

torch.set_num_threads(1)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
depth = int(sys.argv[2])
with memory_limit(None):
    small = modality_result("mr")
    small.save_report(sys.argv[1] + ".small.html")
with memory_limit(float(sys.argv[3])):
    noisy, denoised = (allocate((1, 256, 256, depth), 2) for _ in range(2))
    brightness = 300 * (torch.arange(256)[:, None] // 64 % 3 + torch.arange(256) // 64 % 3)
    for index in range(depth):
        noise = 50 * torch.randn(256, 256)
        denoised[0, :, :, index] = brightness + 0.2 * noise
        noisy[0, :, :, index] = brightness + noise
    drop_pages()
    volume = volume_from_array(noisy, slice_axis=2)
    report = {**small.report, "input": volume.summary(), "timings_s": {}}
    before, started = peak(), time.process_time()
    stages = {"one": denoised, "other": noisy}
    result = Result(volume.with_image(denoised), volume.image, report, denoised, denoised, stages)
    with_gates(result, stages).save_report(sys.argv[1])
    print(json.dumps({"mebibytes": peak() - before, "seconds": time.process_time() - started}))
"""


def _take(tmp_path: Path, depth: int, memory: float) -> dict[str, float]:
    path = tmp_path / f"{depth}-{memory}.html"
    command = [sys.executable, "-c", SCRIPT, str(path), str(depth), str(memory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert path.stat().st_size < 5e6
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_large_volumes_take_seconds_and_bounded_memory(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    ample, short = _take(tmp_path, 128, 4096), _take(tmp_path, 128, 64)
    assert ample["seconds"] < 20
    # fifty arrays of the slices that are looked at
    assert ample["mebibytes"] < 500
    assert short["mebibytes"] < 150

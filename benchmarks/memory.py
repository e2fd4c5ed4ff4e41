# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Does memory grow with the number of slices? The real command on phantoms of more and more slices.

    python -m benchmarks.memory --slices 32 64 128 256 --memory 0

Each run is a process of its own, watched through /proc (Linux). Anonymous memory is what the run cannot do without;
file memory is what it has mapped of libraries and scratch files, which the kernel takes back when it needs it. With
``--limit`` the run gets no more than that many megabytes (RLIMIT_DATA) beyond what its imports take.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from monai_diffdenoise.data.phantom import add_noise, make_phantom

__all__ = ["Watched", "main", "phantom_file", "watch"]

SMALL = ["--iterations=20", "--channels=4", "--levels=2", "--patch-size=32", "--batch-size=4", "--validate-every=10"]
"""Little work, so that the volume is most of what a run could hold."""

_GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_ARENA_MAX": "1"}

# Runs the command line; says first that all is imported, and limits itself to a number of bytes more than it has then.
_START = """
import resource, sys
import numpy, torch, nibabel, pydicom, monai.networks.nets
import monai_diffdenoise.data.io, monai_diffdenoise.pipeline.run
from monai_diffdenoise.cli.main import main
torch.set_num_threads(int(sys.argv[2]))
# libraries of linear algebra take tens of megabytes for themselves at first use
numpy.linalg.det(numpy.eye(99) @ numpy.eye(99))
torch.nn.functional.conv2d(torch.ones(1, 1, 9, 9), torch.ones(1, 1, 3, 3))
if int(sys.argv[1]) >= 0:
    with open("/proc/self/status") as status:
        held = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
    limit = held + int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
print("ready", flush=True)
sys.exit(main(sys.argv[3:]))
"""


@dataclass(frozen=True)
class Watched:
    """What a run held at most, in bytes.

    Args:
        code: exit code.
        base: anonymous memory after everything was imported.
        anonymous: highest anonymous memory.
        file: highest memory mapped from files.
        resident: highest of all together.
        seconds: from the end of the imports to the end.
        cpu_seconds: likewise, of all threads.
        errors: what it said on standard error.
    """

    code: int
    base: int
    anonymous: int
    file: int
    resident: int
    seconds: float
    cpu_seconds: float
    errors: str


def phantom_file(path: Path, shape: tuple[int, int, int], seed: int = 0) -> Path:
    """Write a noisy phantom as 16-bit integers, uncompressed; one of many slices goes up and down the same 64."""
    clean, stored = make_phantom((*shape[:2], min(shape[2], 64)), seed=seed), np.empty(shape, np.int16, order="F")
    depth = clean.shape[2]
    for index in range(shape[2]):
        lap, step = divmod(index, depth)
        place = depth - 1 - step if lap % 2 else step
        stored[..., index] = 1000 * add_noise(clean[..., place], "gaussian", 0.05, seed=seed + 1 + index).numpy()
    nib.save(nib.Nifti1Image(stored, np.eye(4)), path)
    return path


def watch(arguments: list[str], limit: int | None = None, exact: bool = False, threads: int = 1) -> Watched:
    """Run ``diffdenoise`` with these arguments, and look at its memory every few milliseconds.

    Args:
        arguments: of the command line.
        limit: bytes of private memory (RLIMIT_DATA) beyond what the process has after its imports; None for no limit.
        exact: have glibc give back at once what was freed. By default it keeps tens of megabytes for later, more or
            less of them from run to run.
        threads: of torch.
    """
    environment = {**os.environ, **(_GIVE_BACK if exact else {})}
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", _START, str(-1 if limit is None else limit), str(threads), *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
        )
        assert process.stdout is not None
        process.stdout.readline()
        start = time.perf_counter()
        spent = _cpu_seconds(process.pid) + _finished_cpu_seconds()
        base, _ = _resident(process.pid)
        anonymous = file = resident = 0
        while process.poll() is None:
            now = _resident(process.pid)
            anonymous, file, resident = max(anonymous, now[0]), max(file, now[1]), max(resident, sum(now))
            time.sleep(0.003)
        seconds, cpu = time.perf_counter() - start, _finished_cpu_seconds() - spent
        process.stdout.close()
        errors.seek(0)
        return Watched(process.returncode, base, anonymous, file, resident, seconds, cpu, errors.read())


def _resident(process: int) -> tuple[int, int]:
    """Bytes of anonymous and of file memory that a process holds; 0 when it is gone."""
    found = {"RssAnon": 0, "RssFile": 0}
    with contextlib.suppress(OSError), open(f"/proc/{process}/status") as status:
        for line in status:
            name = line.partition(":")[0]
            if name in found:
                found[name] = int(line.split()[1]) * 1024
    return found["RssAnon"], found["RssFile"]


def _cpu_seconds(process: int) -> float:
    """That a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _finished_cpu_seconds() -> float:
    """Those of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--plane", type=int, default=256, help="pixels along a side of a slice")
    parser.add_argument("--memory", help="passed on; megabytes of memory for volumes")
    parser.add_argument("--limit", type=int, help="megabytes of RLIMIT_DATA beyond what the imports take")
    parser.add_argument("--exact", action="store_true", help="have glibc keep nothing of what was freed")
    parser.add_argument("--ending", default=".nii", help="of input and output")
    parser.add_argument("settings", nargs="*", default=SMALL, help="settings of the run, after --")
    given = parser.parse_args()
    more = [] if given.memory is None else ["--memory", given.memory]
    print(f"{given.plane} x {given.plane} pixels, settings {' '.join([*given.settings, *more])}")
    print("| slices | float32 MiB | anonymous MiB at the start | at most | file MiB at most | seconds | exit |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for slices in given.slices:
            plain = phantom_file(Path(folder, "in.nii"), (given.plane, given.plane, slices))
            scan = plain
            if given.ending != ".nii":
                scan = Path(folder, f"in{given.ending}")
                nib.save(nib.load(plain), scan)
            output = Path(folder, f"out{slices}{given.ending}")
            command = ["denoise", str(scan), str(output), *given.settings, *more]
            run = watch(command, None if given.limit is None else given.limit << 20, given.exact)
            weight = given.plane**2 * slices * 4
            numbers = [f"{value / 2**20:.0f}" for value in (weight, run.base, run.anonymous, run.file)]
            print(f"| {slices} | {' | '.join(numbers)} | {run.seconds:.1f} | {run.code} |", flush=True)
            if run.code:
                print(run.errors.strip().splitlines()[-1] if run.errors.strip() else "(no message)")


if __name__ == "__main__":
    main()

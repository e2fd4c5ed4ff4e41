# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Damaged files through the whole program: ``python -m tests.fuzz.run --cases 500 --seed 0``.

Each case is read, denoised with a tiny network and written again, or refused with one InputError. Anything else counts
as a failure: another exception, more than a minute, more than 2 GB above what the program takes anyway, something left
behind. Cases run in a process of their own, which is replaced when one of them hangs.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from tests.fuzz.mutations import mutate, repair_png
from tests.fuzz.samples import make_samples

__all__ = ["Outcome", "main", "run_cases"]

_SECONDS = 60.0
_BYTES = 2 << 30
# Denoising more than this with two iterations takes its seconds without trying anything new.
_VOXELS = 300_000


@dataclass(frozen=True)
class Outcome:
    """What became of one damaged file.

    Args:
        case: number that, with the seed, makes the file again.
        sample: name of the undamaged file.
        damage: what was done to it.
        kind: "denoised", "refused" or what went wrong.
        text: the message, or where it went wrong.
        seconds: wall time.
    """

    case: int
    sample: str
    damage: str
    kind: str
    text: str
    seconds: float


def _damaged(sample: Path, folder: Path, seed: int, case: int) -> tuple[Path, str]:
    """Make the damaged copy of a sample; of a series, one to two files are damaged."""
    rng = np.random.default_rng([seed, case])
    target = folder / sample.name
    if sample.is_dir():
        shutil.copytree(sample, target)
        files = sorted(target.iterdir())
        victims = [files[int(rng.integers(len(files)))] for _ in range(int(rng.integers(1, 3)))]
    else:
        shutil.copy(sample, target)
        victims = [target]
    names = []
    for victim in victims:
        data, damage = mutate(victim.read_bytes(), rng)
        victim.write_bytes(repair_png(data) if rng.random() < 0.7 else data)
        names.append(damage)
    return target, " | ".join(names)


def _attempt(source: Path, folder: Path) -> tuple[str, str]:
    """Read, denoise, write."""
    from monai_diffdenoise.data import ReadOptions, read_volume, write_volume
    from monai_diffdenoise.errors import InputError
    from monai_diffdenoise.pipeline import DenoiseSettings, denoise_volume

    options = ReadOptions(stack=None, color="gray", cine="time", burned_in="take", uneven="take")
    output = folder / ("out" if source.is_dir() or source.suffix == ".dcm" else f"out{''.join(source.suffixes[-2:])}")
    try:
        try:
            volume = read_volume(source, options=options)
        except InputError as error:
            if "means nothing for it" not in str(error):
                raise
            volume = read_volume(source)
        denoised, text = volume.with_image(volume.image), "written back, not denoised"
        if volume.image.numel() <= _VOXELS:
            settings = DenoiseSettings(preset="fast", iterations=2, channels=4, validate_every=2, patch_size=16)
            with contextlib.suppress(InputError):
                # images that cannot be denoised from themselves are still read and written
                result = denoise_volume(volume, settings)
                denoised, text = result.volume, "denoised"
        write_volume(denoised, output)
        if not output.exists():
            return "no output", text
        return "denoised", text
    except InputError as error:
        message = str(error)
        if "\n" in message:
            return "message of several lines", message
        left = [path.name for path in folder.iterdir() if path.name not in (source.name,)]
        return ("left behind " + ", ".join(left), message) if left else ("refused", message)


def _work(pipe: Connection, samples: list[Path], seed: int, cases: list[int]) -> None:
    """Child: run cases one after the other and report each."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for the life of the process
    _attempt(samples[0], Path(tempfile.mkdtemp()))
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for case in cases:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            sample = samples[case % len(samples)]
            source, damage = _damaged(sample, folder, seed, case)
            pipe.send((case, sample.name, damage))
            start = time.perf_counter()
            try:
                kind, text = _attempt(source, folder)
            except BaseException as error:  # the point of the exercise
                trace = error.__traceback__
                while trace is not None and trace.tb_next is not None:
                    trace = trace.tb_next
                place = "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
                kind, text = f"raised {type(error).__name__}", f"{error} at {place}"
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - base
            if used > _BYTES:
                kind, base = f"took {used / 2**30:.1f} GB", base + used
            pipe.send((kind, text, time.perf_counter() - start))


def run_cases(samples: list[Path], seed: int, count: int, first: int = 0) -> list[Outcome]:
    """Run cases ``first`` to ``first + count`` and say what became of each.

    Args:
        samples: undamaged files and folders, taken in turn.
        seed: of the damage.
        count: how many.
        first: number of the first one.
    """
    context = multiprocessing.get_context("spawn")
    waiting, outcomes = list(range(first, first + count)), []
    while waiting:
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=_work, args=(there, samples, seed, waiting), daemon=True)
        child.start()
        there.close()
        current: tuple[int, str, str] | None = None
        try:
            while waiting:
                # the first answer includes the start of the process
                limit = _SECONDS if current else 5 * _SECONDS
                if not here.poll(limit):
                    raise TimeoutError
                if current is None:
                    current = here.recv()
                    continue
                kind, text, seconds = here.recv()
                outcomes.append(Outcome(*current, kind, text, seconds))
                waiting.remove(current[0])
                current = None
        except (TimeoutError, EOFError) as error:
            if current is None:
                raise RuntimeError("the process that runs the cases does not start") from error
            kind = "hung" if isinstance(error, TimeoutError) else "killed the process"
            outcomes.append(Outcome(*current, kind, "", _SECONDS))
            waiting.remove(current[0])
        finally:
            child.kill()
            child.join()
    return outcomes


def main() -> int:
    """Print the counts and every failure; the exit code is 1 when there is any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--messages", action="store_true", help="print every message")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        samples = make_samples(Path(name))
        print(f"{len(samples)} samples")
        outcomes = run_cases(samples, chosen.seed, chosen.cases, chosen.first)
    bad = [outcome for outcome in outcomes if outcome.kind not in ("denoised", "refused")]
    for outcome in outcomes if chosen.messages else bad:
        print(f"{outcome.case} {outcome.sample} [{outcome.damage}] {outcome.kind}: {outcome.text}")
    counts = Counter(outcome.kind if outcome in bad else f"{outcome.kind}" for outcome in outcomes)
    trained = sum(outcome.text == "denoised" for outcome in outcomes)
    print(f"denoised {counts['denoised']} ({trained} by training), refused {counts['refused']}, else {len(bad)}")
    print(f"slowest {max(outcome.seconds for outcome in outcomes):.1f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Run by test_fit.py: fit in forked processes that are killed, then go on.

Usage: killed_fit.py DATA WORK SEED MOMENTS METHOD. A fit in WORK/whole is left alone. A fit in WORK/killed is killed
MOMENTS times, each time after a random part of the time that the first one took, and then goes on to its end. Prints a
line for each moment, and the digest of the weights of both. Not a test.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch

# sums must be added in the same order
torch.set_num_threads(1)

from monai_diffdenoise.pipeline.fit import fit  # noqa: E402
from monai_diffdenoise.pipeline.settings import DenoiseSettings  # noqa: E402
from tests.pipeline.test_three_stages import TINY  # noqa: E402


def main(data: str, work: str, seed: str, moments: str, method: str) -> None:
    """Compare a fit that was killed with one that was not."""
    settings, folder, draw = DenoiseSettings(**{**TINY, "method": method}), Path(work), random.Random(int(seed))
    start = time.process_time()
    fit(data, folder / "whole", settings)
    whole = time.process_time() - start
    left = int(moments)
    while left:
        # processor time, so that a busy machine changes nothing
        moment = draw.uniform(0.02, 0.6) * whole
        child = os.fork()
        if child == 0:
            # the default action ends the process on the spot, whatever it is doing
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, moment)
            fit(data, folder / "killed", settings, resume=True)
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        made = sorted(path.name.rpartition("-")[0] for path in (folder / "killed").glob("stages/*"))
        print("killed" if killed else "finished before", f"{moment:.2f} s", *made)
        left -= killed
        if not killed:
            shutil.rmtree(folder / "killed")
    fit(data, folder / "killed", settings, resume=True)
    for name in ("whole", "killed"):
        print(name, hashlib.sha256((folder / name / "model" / "weights.pt").read_bytes()).hexdigest())


if __name__ == "__main__":
    main(*sys.argv[1:])

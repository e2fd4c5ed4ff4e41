# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Run by test_pair_training.py: train in forked processes that kill themselves at given moments.

Usage: killed.py FOLDER MOMENT... A moment is the number of an iteration, or "saving-N": in the middle of writing the
N-th checkpoint. Each process goes on from what the one before left. "slowly", alone, trains in this very process, a
line and a pause at each iteration, so that it can be killed from outside. Not a test.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

# one thread as in the test that compares: sums must be added in the same order
torch.set_num_threads(1)


def die() -> None:
    """What an impatient user, the scheduler or the kernel does."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_while_saving(which: int) -> None:
    """Let the process die with half of the which-th checkpoint on the disk."""
    save, count = torch.save, 0

    def half(content: Any, stream: Any) -> None:
        nonlocal count
        count += 1
        if count < which:
            return save(content, stream)
        save(content, stream)
        stream.flush()
        os.truncate(stream.name, os.path.getsize(stream.name) // 2)
        return die()

    torch.save = half


def progress(moment: str) -> Callable[[str, int, int], None] | None:
    """What is done after each iteration."""
    if moment == "slowly":
        return lambda stage, done, total: print(done, flush=True) or time.sleep(0.1)
    if moment.startswith("saving-"):
        return kill_while_saving(int(moment.removeprefix("saving-")))
    return lambda stage, done, total: die() if done == int(moment) else None


def main(folder: str, *moments: str) -> None:
    """Go on with the training until each of the moments."""
    # before the processes part, so that not each imports everything
    train = runpy.run_path(str(Path(__file__).with_name("conftest.py")))["make_training"]
    for moment in moments:
        child = 0 if moment == "slowly" else os.fork()
        if child == 0:
            train(folder=Path(folder), fingerprint="x", resume=True, progress=progress(moment)).run()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        print(moment, "killed" if os.WIFSIGNALED(status) else "finished", *sorted(os.listdir(folder)))


if __name__ == "__main__":
    main(*sys.argv[1:])

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How a worker gets a volume and hands back others: files in a folder."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.cost import COST
from benchmarks.rows import peak_mb, reset_peak

__all__ = ["serve"]

Work = Callable[..., dict[str, np.ndarray]]


def serve(work: Work, packages: Sequence[str]) -> None:
    """Read image.npy and settings.json, work, write output.npz and cost.json into the folder of the command line.

    Args:
        work: gets the image, (C, *S), and the settings as keywords; returns outputs of the same shape by variant.
        packages: distributions whose versions are told.
    """
    folder = Path(sys.argv[1])
    image, settings = np.load(folder / "image.npy"), json.loads((folder / "settings.json").read_text())
    reset_peak()
    clock, cpu = time.perf_counter(), time.process_time()
    outputs = work(image, **settings)
    cost: dict[str, Any] = {
        "wall": time.perf_counter() - clock,
        "cpu": time.process_time() - cpu,
        "peak_mb": peak_mb(),
        "stages": COST.stages,
        "versions": {name: version(name) for name in packages},
    }
    # "" is no name of a file in an archive
    named: dict[str, Any] = {f"={name}": output for name, output in outputs.items()}
    np.savez(folder / "output.npz", **named)
    (folder / "cost.json").write_text(json.dumps(cost))

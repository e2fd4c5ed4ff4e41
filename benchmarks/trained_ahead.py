# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A volume denoised from itself alone, and by networks that were trained ahead on other volumes.

    python -m benchmarks.trained_ahead --out FILE

Phantoms of other seeds are what ``diffdenoise fit`` learns from; the volume that is denoised is none of them. One JSON
line per method, number of volumes learned from (0: the volume itself) and seed goes to FILE. Times are processor time,
with one thread.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.pipeline.fit import fit
from monai_diffdenoise.pipeline.model_folder import load_model
from monai_diffdenoise.pipeline.run import denoise_volume
from monai_diffdenoise.pipeline.settings import DenoiseSettings

__all__ = ["main"]

_SHAPE, _NOISE = (96, 96, 32), 0.08


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a line for each result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--methods", nargs="+", default=["bsn", "ns-n2n"])
    parser.add_argument("--volumes", type=int, nargs="+", default=[0, 1, 4])
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, open(options.out, "a", encoding="utf-8") as stream:
        for seed in range(options.seeds):
            for method in options.methods:
                for count in options.volumes:
                    settings = DenoiseSettings(method=method, preset=options.preset, device="cpu", seed=seed)
                    place = Path(folder, f"{seed}-{method}-{count}")
                    found = {"method": method, "learned_from": count, "seed": seed, **_measure(place, settings, count)}
                    print(json.dumps(found), file=stream, flush=True)
                    print(json.dumps(found), flush=True)


def _measure(folder: Path, settings: DenoiseSettings, count: int) -> dict[str, Any]:
    clean, noisy = _volume(folder / "seen", 0)
    start, trained, model = time.process_time(), 0.0, None
    if count:
        for number in range(count):
            _volume(folder / "others", number + 1)
        fit(folder / "others", folder / "work", settings)
        trained, start = time.process_time() - start, time.process_time()
        model = load_model(folder / "work")
        settings = DenoiseSettings(preset=settings.preset, device="cpu", seed=settings.seed)
    image = denoise_volume(read_volume(noisy), settings, model=model).image.as_tensor()[0]
    seconds = time.process_time() - start
    error = float((image - clean).square().mean())
    return {"psnr": round(-10 * np.log10(error), 2), "fit_s": round(trained, 1), "denoise_s": round(seconds, 1)}


def _volume(folder: Path, seed: int) -> tuple[torch.Tensor, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    clean = make_phantom(_SHAPE, seed=seed)
    path = folder / f"{seed}.nii.gz"
    nib.save(nib.Nifti1Image(add_noise(clean, "gaussian", _NOISE, seed=100 + seed).numpy(), np.eye(4)), path)
    return clean, path


if __name__ == "__main__":
    main()

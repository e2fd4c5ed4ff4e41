# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Measured against true noise: ``python -m benchmarks.noise_measurement``.

Synthetic noise of every kind at four levels and three seeds on the built-in phantom and, with DIFFDENOISE_DATA, on
the clean volumes of class B; beside scikit-image's estimator and, where it is installed, dipy's. The truth is the root
mean square of the noise's standard deviation over the foreground. With ``--real``, the scans of class A against the
sigma and lag-1 correlation of their manifest. Clean images serve to know the truth; nothing is chosen by them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from skimage.restoration import estimate_sigma

from monai_diffdenoise.analysis import measure_noise
from monai_diffdenoise.data import read_volume
from monai_diffdenoise.data.phantom import make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.block_noise import block_mean, foreground_threshold
from monai_diffdenoise.transforms.noise import noise_model

__all__ = ["main"]

KINDS = ("gaussian", "rician", "poisson", "gamma", "correlated", "ct")
LEVELS = (0.02, 0.05, 0.1, 0.2)
FAMILY = {"rician": "rician", "poisson": "poisson-gaussian", "gamma": "gamma"}
# The T1 scan has noise of its own of about 0.02 of its range, so weaker noise has no known truth there.
LOWEST = {"T1": 0.05}


# File, smallest and largest value, and the part that is used (a crop, since 288 measurements take a while).
CLEAN = {
    "ICBM152": ("B_clean_icbm152_t1_uint8.nii.gz", 0.0, 90.739, np.s_[50:178, 60:188, 80:120]),
    "CT": ("B_clean_ct_body_3mm_int32.nii.gz", -1024.0, 1000.0, np.s_[:, :, 20:84]),
    "T1": ("B_clean_t1_mprage_prisma_crop.nii.gz", 0.0, 629.0, np.s_[64:192, 64:192, :]),
}


def _clean(name: str, data: Path | None) -> torch.Tensor | None:
    if name == "phantom":
        return torch.as_tensor(make_phantom((128, 128, 48))).float()
    if data is None:
        return None
    file, low, high, part = CLEAN[name]
    return ((read_volume(data / file).image.as_tensor()[0][part] - low) / (high - low)).clamp(0, 1)


def _dipy_sigma(volume: np.ndarray) -> float:
    try:
        from dipy.denoise.noise_estimate import estimate_sigma as dipy_sigma
    except ImportError:
        return math.nan
    return float(np.mean(dipy_sigma(volume, N=0)))


def _lag_one(model: object) -> float:
    return float(model.autocorrelation((1, 0, 0)))  # type: ignore[attr-defined]


def synthetic(names: list[str], data: Path | None, seeds: int, single: bool) -> list[dict[str, object]]:
    """One row per volume, kind, level and seed; or each of ``single`` slices, the seed choosing which."""
    rows: list[dict[str, object]] = []
    for name in names:
        clean = _clean(name, data)
        if clean is None:
            continue
        for kind, level, seed in itertools.product(KINDS, LEVELS, range(seeds)):
            if level < LOWEST.get(name, 0):
                continue
            model = noise_model(kind, level, axes=(0, 1) if kind in ("correlated", "ct") else None)
            shown = clean[..., round(clean.shape[-1] * (seed + 1) / (seeds + 1))] if single else clean
            noisy = model.sample(shown[None], torch.Generator().manual_seed(seed))
            start = time.perf_counter()
            found = measure_noise(noisy)
            seconds = time.perf_counter() - start
            stack = noisy if single else noisy[0].movedim(-1, 0)
            variances = model.variance(shown[None])[0]
            bright = block_mean(stack) > foreground_threshold(stack)
            variance = block_mean(variances[None] if single else variances.movedim(-1, 0))[bright]
            truth = math.sqrt(float(variance.mean()))
            spread = float(variances[shown > shown.mean()].std() / truth**2)
            middle = stack[stack.shape[0] // 2].numpy()
            rows.append(
                {
                    "volume": name,
                    "kind": kind,
                    "level": level,
                    "seed": seed,
                    "ratio": found.sigma / truth,
                    "certain": found.certain,
                    "family": found.family.name,
                    "right": found.family.name == FAMILY.get(kind, "gaussian"),
                    # Rician noise far above its floor is Gaussian: nothing in the image could tell
                    "same": kind == "rician" and found.family.name == "gaussian" and spread < 0.02,
                    "lag": found.spectrum.lag(1, 0) - _lag_one(model),
                    "across": found.across.at[0],
                    "skimage": float(estimate_sigma(middle)) / truth,
                    "dipy": math.nan if single else _dipy_sigma(stack.numpy()) / truth,
                    "seconds": seconds,
                }
            )
    return rows


def _within(rows: list[dict[str, object]], key: str = "ratio") -> float:
    values = [abs(float(row[key]) - 1) < 0.1 for row in rows]  # type: ignore[arg-type]
    return sum(values) / len(values)


def print_synthetic(rows: list[dict[str, object]]) -> None:
    """The tables of docs/noise_measurement.md."""
    print("| volume | noise | within 10 % | median | worst | family right | lag-1 error, worst | skimage median |")
    print("|---|---|---|---|---|---|---|---|")
    for name in dict.fromkeys(row["volume"] for row in rows):
        for kind in KINDS:
            here = [row for row in rows if row["volume"] == name and row["kind"] == kind]
            ratios = [float(row["ratio"]) for row in here]  # type: ignore[arg-type]
            worst = max(ratios, key=lambda r: abs(math.log(r)))
            family = sum(bool(row["right"] or row["same"]) for row in here) / len(here)
            lag = max((float(row["lag"]) for row in here), key=abs)  # type: ignore[arg-type]
            other = statistics.median(float(row["skimage"]) for row in here)  # type: ignore[arg-type]
            print(
                f"| {name} | {kind} | {_within(here):.0%} | {statistics.median(ratios):.3f} | {worst:.2f} | "
                f"{family:.0%} | {lag:+.2f} | {other:.2f} |"
            )
    certain = [row for row in rows if row["certain"]]
    high = sum(float(row["ratio"]) > 1.5 for row in rows) / len(rows)  # type: ignore[arg-type]
    unseen = sum(float(row["ratio"]) > 1.5 for row in certain) / len(rows)  # type: ignore[arg-type]
    print(f"\nall {len(rows)}: sigma within 10 % in {_within(rows):.1%}; family right in ", end="")
    print(f"{sum(bool(r['right'] or r['same']) for r in rows) / len(rows):.1%} ", end="")
    print(f"({sum(bool(r['right']) for r in rows) / len(rows):.1%} by name)")
    print(f"certain {len(certain)}: sigma within 10 % in {_within(certain):.1%}; ", end="")
    print(f"over 1.5 times in {high:.1%} of all, {unseen:.1%} without a word of doubt")
    print(f"scikit-image within 10 %: {_within(rows, 'skimage'):.1%}", end="")
    print(f"; dipy: {_within(rows, 'dipy'):.1%}" if math.isfinite(float(rows[0]["dipy"])) else "; dipy: not installed")  # type: ignore[arg-type]
    print(f"seconds per volume, median: {statistics.median(float(r['seconds']) for r in rows):.2f}")  # type: ignore[arg-type]


def print_real(data: Path) -> None:
    """Class A: measured over the manifest's sigma, and both lag-1 correlations."""
    entries = json.loads((data / "MANIFEST.json").read_text())["entries"]
    print("\n| case | sigma / manifest | basis, law | certain | lag 1 measured | lag 1 manifest | s |")
    print("|---|---|---|---|---|---|---|")
    for entry in entries:
        facts = entry.get("noise") or {}
        sigma = facts.get("sigma_robust") if isinstance(facts, dict) else None
        if entry.get("class") != "A" or not sigma:
            continue
        path = data / entry["file"]
        try:
            volume = read_volume(path)
            start = time.perf_counter()
            found = measure_noise(volume.image, volume.slice_axis if volume.spatial_dims == 3 else -1)
        except InputError as error:
            print(f"| {entry['file']} | {error} | | | | | |")
            continue
        lag = f"{found.spectrum.lag(1, 0):.2f} {found.spectrum.lag(0, 1):.2f} z {found.across.at[0]:.2f}"
        known = " ".join(f"{axis} {value[0]:.2f}" for axis, value in facts.get("autocorr_lag1_2", {}).items())
        print(
            f"| {entry['file']} | {found.sigma / sigma:.2f} | {found.basis}, {found.family.name} | {found.certain} | "
            f"{lag} | {known} | {time.perf_counter() - start:.1f} |"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--volumes", nargs="*", default=["phantom", "ICBM152", "CT", "T1"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--single", action="store_true", help="slices by themselves in the place of volumes")
    parser.add_argument("--real", action="store_true", help="class A as well")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    folder = os.environ.get("DIFFDENOISE_DATA")
    data = Path(folder) if folder else None
    rows = synthetic(chosen.volumes, data, chosen.seeds, chosen.single)
    if rows:
        print_synthetic(rows)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1))
    if chosen.real and data is not None:
        print_real(data)


if __name__ == "__main__":
    main()

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Do the scores that need no clean image know which denoiser is better?

    python -m benchmarks.no_reference --out OUT [--data ../shared/data] [--part scores|structure|networks|tables|all]

About 45 simple denoisers (benchmarks/denoisers.py) run on volumes of 96 x 96 x 32 voxels with known noise: the built-in
phantom and, with class B volumes (--data or DIFFDENOISE_DATA), crops of them. Every score is compared with the true
mean squared error by Spearman's rank correlation, and by the regret: PSNR of the best denoiser minus that of the one
the score chooses. The clean volume is used for the truth alone. "told" scores know sigma and the noise's correlation;
"measured" ones use ``analysis.best_sigma`` (with --program, the sigma that the program works with) and the correlation
of the slices' differences. The part "structure" compares the scores of residuals with the anatomy that was removed.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.denoisers import blind_denoisers, slice_denoisers, volume_denoisers
from benchmarks.no_reference_networks import network_rows
from benchmarks.no_reference_tables import print_tables
from monai_diffdenoise.analysis import best_sigma, measure_noise
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.metrics.blind_spot import blind_spot_mse, masked_mse
from monai_diffdenoise.metrics.drift import mean_drift
from monai_diffdenoise.metrics.noise_draw import slice_noise_probe
from monai_diffdenoise.metrics.probe import ProbeResponse, probe_response
from monai_diffdenoise.metrics.residual import residual_autocorrelation, structure_correlation, structure_loss
from monai_diffdenoise.metrics.slice_error import slice_gain, slice_mse
from monai_diffdenoise.metrics.sure import poisson_gaussian_sure, sure_from_response
from monai_diffdenoise.metrics.verdict import improves
from monai_diffdenoise.pipeline.run_sigma import run_sigma
from monai_diffdenoise.transforms import MatchedRegionWeight

__all__ = ["main"]

_KINDS = ("gaussian", "rician", "correlated")
_POISSON = {"poisson-gaussian 0.01": (0.01, 1e-4), "poisson-gaussian 0.05": (0.05, 1e-3)}
"""Signal per count and variance of the Gaussian part."""

# What is 0 and 1, the crop, and the noise levels: the CT and the MPRAGE hold noise of their own, so only strong noise
# has a truth there.
_CLASS_B = {
    "icbm152": ("B_clean_icbm152_t1_uint8.nii.gz", (0.0, 90.739), np.s_[55:151, 80:176, 44:76], (0.02, 0.1)),
    "mprage": ("B_clean_t1_mprage_prisma_crop.nii.gz", (0.0, 629.0), np.s_[80:176, 80:176, 8:40], (0.1,)),
    "ct": ("B_clean_ct_body_3mm_int32.nii.gz", (-1023.0, 781.0), np.s_[13:109, 2:98, 40:72], (0.1,)),
}
_HELD_OUT = {
    "icbm152 other": (
        "B_clean_icbm152_t1_uint8.nii.gz",
        (0.0, 90.739),
        np.s_[55:151, 60:156, 100:132],
        (0.005, 0.01, 0.05),
    ),
    "ct other": ("B_clean_ct_body_3mm_int32.nii.gz", (-1023.0, 781.0), np.s_[13:109, 2:98, 0:32], (0.05,)),
}
"""For the verdict, whose limits were chosen on the others: other places, heads, levels and seeds."""

_MIDDLE = np.s_[16:80, 16:80, 4:28]


def main() -> None:
    """Run what is asked for, write all rows as JSON, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("DIFFDENOISE_DATA"), help="class B volumes")
    parser.add_argument("--out", type=Path, required=True, help="folder for rows.json")
    parser.add_argument("--part", choices=["scores", "structure", "networks", "tables", "all"], default="all")
    parser.add_argument("--seeds", type=int, default=2, help="draws of the noise; the scores of a draw are kept in OUT")
    parser.add_argument("--program", action="store_true", help="judge by the sigma that the program works with")
    parser.add_argument("--small", action="store_true", help="the middle 64 x 64 x 24 voxels: a third of the time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "rows.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    parts: dict[str, Callable[[], Iterator[list[dict[str, Any]]]]] = {
        "scores": partial(_score_rows, options, {_key(row) for row in rows}),
        "structure": partial(_structure_rows, options.data, options.small),
        "networks": lambda: iter([list(network_rows())]),
    }
    for part, work in parts.items():
        if options.part in (part, "all"):
            rows = [row for row in rows if row["part"] != part or part == "scores"]
            for found in work():
                rows += [{**row, "part": part} for row in found]
                path.write_text(json.dumps(rows))
    print_tables(rows)


def _volumes(data: Path | None, held_out: bool) -> Iterator[tuple[str, np.ndarray, tuple[float, ...]]]:
    yield (
        ("phantom other", make_phantom((96, 96, 32), seed=7).numpy(), (0.005, 0.01, 0.05))
        if held_out
        else (
            "phantom",
            make_phantom((96, 96, 32)).numpy(),
            (0.02, 0.1),
        )
    )
    if data is None:
        return
    for name, (file, (low, high), crop, levels) in (_HELD_OUT if held_out else _CLASS_B).items():
        values = np.asarray(nib.load(Path(data) / file).dataobj)[crop].astype(np.float32)
        yield name, np.maximum((values - low) / (high - low), 0.0), levels


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("part", "image", "kind", "level", "seed"))


def _score_rows(options: argparse.Namespace, done: set[tuple[Any, ...]]) -> Iterator[list[dict[str, Any]]]:
    """Rows of one noisy volume at a time, without those that are there from an earlier run."""
    part = _MIDDLE if options.small else ...
    # a whole first draw of all volumes before the second of any
    for held_out, seed in [(False, 0), (True, 3), *((False, seed) for seed in range(1, options.seeds))]:
        for image, clean, levels in _volumes(options.data, held_out):
            kinds: list[tuple[str, float]] = [(kind, level) for kind in _KINDS for level in levels]
            if image == "phantom":
                kinds += [(kind, 0.0) for kind in _POISSON]
            for kind, level in kinds:
                if ("scores", image, kind, level, seed) in done:
                    continue
                start = time.perf_counter()
                case = _Case(image, clean[part], kind, level, seed, options.program)
                found = list(case.rows(all_scores=not held_out))
                seconds = time.perf_counter() - start
                print(f"{image}, {kind} {level:g}, seed {seed}: {len(found)} denoisers in {seconds:.0f} s", flush=True)
                yield found


def _structure_rows(data: Path | None, small: bool) -> Iterator[list[dict[str, Any]]]:
    """What the scores of residuals say beside the anatomy that was removed: the part of the error two draws share."""
    part = _MIDDLE if small else ...
    for image, clean, levels in _volumes(data, held_out=False):
        for kind in ("gaussian", "correlated"):
            for level in levels if image in ("phantom", "icbm152") else ():
                one, two = (_Case(image, clean[part], kind, level, seed) for seed in (0, 1))
                found = []
                for name, work in slice_denoisers(one.measured).items():
                    if name == "identity":
                        continue
                    output, other = _lift(work)(one.noisy), _lift(work)(two.noisy)
                    shared = (output.astype(np.float64) - one.clean) * (other.astype(np.float64) - one.clean)
                    scores = one.residual_scores(output, one.probed(output, work))
                    lost = float(shared[one.mask].mean())
                    found.append({**one.about, "group": "structure", "name": name, "mse": lost, "scores": scores})
                print(f"structure: {image}, {kind} {level:g}", flush=True)
                yield found


class _Case:
    """A noisy volume and all that the scores share on it; arrays are (1, X, Y, Z)."""

    def __init__(
        self, image: str, clean: np.ndarray, kind: str, level: float, seed: int, program: bool = False
    ) -> None:
        self.about = {"image": image, "kind": kind, "level": level, "seed": seed}
        self.clean = clean[None]
        self.poisson = _POISSON.get(kind)
        if self.poisson is not None:
            a, b = self.poisson
            rng = np.random.default_rng(100 + seed)
            noisy = a * rng.poisson(clean / a) + np.sqrt(b) * rng.standard_normal(clean.shape)
            level, shape = float(np.sqrt(a * clean[clean > 0.15].mean() + b)), "gaussian"
        else:
            noisy, shape = add_noise(clean, kind, level, seed=100 + seed).numpy(), kind
        self.noisy = noisy.astype(np.float32)[None]
        # the foreground, as a user would find it
        self.mask = (gaussian_filter(self.noisy[0], (1.5, 1.5, 1.0)) > 0.15)[None]
        self.sigma = level
        self.measured, self.sigma_error = best_sigma(torch.from_numpy(self.noisy[0]), 2), 0.1
        if program:
            found = measure_noise(torch.from_numpy(self.noisy), 2, repeats=False)
            self.measured, self.sigma_error = run_sigma(found, self.measured), 0.1 if found.certain else 0.4
        match = MatchedRegionWeight(axis=2, distance=1, sigma=self.measured)
        self.weight = match(torch.from_numpy(self.noisy)).as_subclass(torch.Tensor)
        told = "correlated" if shape == "correlated" else "gaussian"
        self.told_probe = add_noise(torch.zeros(self.noisy.shape), told, 1.0, seed=500 + seed)
        self.white_probe = add_noise(torch.zeros(self.noisy.shape), "gaussian", 1.0, seed=600 + seed)
        self.measured_probe = slice_noise_probe(self.noisy, 2, mask=self.mask)

    def rows(self, all_scores: bool) -> Iterator[dict[str, Any]]:
        """One row a denoiser."""
        groups = {"slice": slice_denoisers(self.measured), "volume": volume_denoisers()}
        if all_scores and self.poisson is None:
            groups["blind"] = blind_denoisers()
        for group, family in groups.items():
            for name, work in family.items():
                output = _lift(work)(self.noisy)
                truth = self._mse(output)
                row = {**self.about, "group": group, "name": name, "mse": truth, "mse_noisy": self._mse(self.noisy)}
                if group == "blind":
                    found = blind_spot_mse(self.noisy, output, self.sigma, mask=self.mask)
                    row |= {"scores": {"blind": found.value}, "blind_error": found.standard_error}
                elif name == "identity":
                    row["scores"] = self._scores(output, _lift(work), self.probed(output, work)) if all_scores else {}
                else:
                    response = self.probed(output, work)
                    row["scores"] = self._scores(output, _lift(work), response) if all_scores else {}
                    row["verdict"] = self._verdict(output, response)
                    row["verdict_arrays"] = self._verdict(output, None) if group == "slice" else None
                yield row

    def _mse(self, output: np.ndarray) -> float:
        return float(np.square(output.astype(np.float64) - self.clean)[self.mask].mean())

    def probed(self, output: np.ndarray, work: Callable[[np.ndarray], np.ndarray]) -> ProbeResponse:
        return probe_response(self.noisy, _lift(work), self.measured, denoised=output, probe_noise=self.measured_probe)

    def _verdict(self, output: np.ndarray, response: ProbeResponse | None) -> str:
        how = {"sigma_error": self.sigma_error, "response": response, "axis": 2, "mask": self.mask}
        return improves(self.noisy, output, sigma=self.measured, **how).vote

    def _scores(
        self, output: np.ndarray, denoise: Callable[[np.ndarray], np.ndarray], response: ProbeResponse
    ) -> dict[str, float]:
        y, mask = self.noisy, self.mask
        told, white = (
            probe_response(y, denoise, self.sigma, denoised=output, probe_noise=probe)
            for probe in (self.told_probe, self.white_probe)
        )
        removed = float(np.square(y.astype(np.float64) - output)[mask].mean())
        scores = {
            **self.residual_scores(output, response),
            "sure told": sure_from_response(y, output, told, self.sigma, mask=mask).mse,
            "sure white": sure_from_response(y, output, white, self.sigma, mask=mask).mse,
            "sure measured": sure_from_response(y, output, response, self.measured, mask=mask).mse,
            "masked": masked_mse(y, denoise, self.sigma, axis=2, mask=mask).value,
            "slice mse": slice_mse(y, output, self.measured, 2, mask=mask).value,
            "slice mse matched": slice_mse(y, output, self.measured, 2, weight=self.weight, mask=mask).value,
            "slice gain": -slice_gain(y, output, 2, mask=mask).value,
            "slice gain probed": -slice_gain(y, output, 2, mask=mask, response=response).value,
            "discrepancy": abs(removed - self.sigma**2),
        }
        for factor in (0.8, 0.9, 1.1, 1.25):
            scaled = sure_from_response(y, output, told, factor * self.sigma, mask=mask)
            scores[f"sure sigma x {factor}"] = scaled.mse
        if self.poisson is not None:
            a, b = self.poisson
            scores["sure poisson-gaussian"] = poisson_gaussian_sure(y, denoise, a, b, denoised=output, mask=mask).mse
        return scores

    def residual_scores(self, output: np.ndarray, response: ProbeResponse) -> dict[str, float]:
        """The scores that describe what was removed."""
        y, mask = self.noisy, self.mask
        drift = mean_drift(y, output, mask=mask)
        lost = structure_loss(y, output, 2, mask=mask, response=response)
        scores = {
            "autocorrelation": residual_autocorrelation(y, output, noise=response.left_out, mask=mask).excess,
            "structure loss": lost.energy,
            "structure share": lost.share.value,
            "structure correlation": abs(structure_correlation(y, output, 2, mask=mask).value),
            "mean drift": abs(drift.z),
            "worst bin drift": abs(drift.worst.z) if drift.worst is not None else 0.0,
        }
        # a residual of 0 has no correlation to be judged by
        return {name: value if np.isfinite(value) else 0.0 for name, value in scores.items()}


def _lift(work: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """(X, Y, Z) in float64 to (1, X, Y, Z) in float32."""
    return lambda volume: work(volume[0].astype(np.float64)).astype(np.float32)[None]


if __name__ == "__main__":
    main()

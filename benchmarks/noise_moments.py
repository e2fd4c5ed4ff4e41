# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Measured moments of the simulated noise beside those that its models state.

    python -m benchmarks.noise_moments
    python -m benchmarks.noise_moments --monai
    python -m benchmarks.noise_moments --data DATA

Constant images are drawn as many independent channels. A statistic is averaged over each channel, and z is its mean
over the channels minus the stated value, by the standard error from the scatter between channels: about standard normal
if the statement is right, whatever the correlation within a channel. The statistics are unbiased: deviations are taken
from the stated mean. With ``--monai``, MONAI's own noise transforms are measured instead; with ``--data``, the texture
of a simulated CT scanner.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import RandGaussianNoise, RandGaussianNoised, RandRicianNoise, RandRicianNoised

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.transforms.noise import (
    NOISE_KINDS,
    FilteredBackprojection,
    GammaNoise,
    NoiseModel,
    NoncentralChiNoise,
    PoissonNoise,
    RicianNoise,
    expected_autocorrelation,
    noise_model,
)
from monai_diffdenoise.transforms.noise.seeds import derive_seed
from monai_diffdenoise.transforms.noise.spectra import APODIZATIONS

__all__ = ["main"]

LEVELS = (0.02, 0.05, 0.1, 0.2)
SIGNALS = (0.0, 0.25, 0.5, 1.0)
SPATIAL = (32, 36, 4)
LAGS = ((1, 0, 0), (0, 2, 0), (3, 0, 0), (1, 1, 0), (2, -1, 0), (16, 0, 0), (0, 0, 1))


def main() -> None:
    """Print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--channels", type=int, default=100, help="independent images a case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--monai", action="store_true", help="measure MONAI's noise transforms")
    parser.add_argument("--data", type=Path, help="folder with A_ct_lcd_simulated: measure its texture")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.monai:
        _monai()
        return
    if options.data:
        _scanner(options.data)
        return
    _print_levels()
    rows = list(_rows(options.channels, options.seed))
    _print_moments(rows)
    _print_correlations(options.channels, options.seed)


def _print_levels() -> None:
    print("| level | gain of poisson | quanta at 1 | looks of gamma | sigma of rician | sigma of noncentral-chi |")
    print("|---|---|---|---|---|---|")
    for level in LEVELS:
        poisson, gamma, rician, chi = (
            noise_model(kind, level) for kind in ("poisson", "gamma", "rician", "noncentral-chi")
        )
        assert isinstance(poisson, PoissonNoise) and isinstance(gamma, GammaNoise)
        assert isinstance(rician, RicianNoise) and isinstance(chi, NoncentralChiNoise)
        print(
            f"| {level} | {poisson.gain:.4g} | {1 / poisson.gain:.4g} | {gamma.looks:.4g} | {rician.sigma:.4f} | "
            f"{chi.sigma:.4f} |"
        )
    print()


def _z(statistic: torch.Tensor, expected: float) -> tuple[float, float]:
    """Mean over the channels and its z; z is 0 where nothing varies and nothing should."""
    mean, error = float(statistic.mean()), float(statistic.std()) / len(statistic) ** 0.5
    return mean, (mean - expected) / error if error else (0.0 if mean == expected else float("inf"))


def _rows(channels: int, seed: int) -> Iterator[dict]:
    for kind in NOISE_KINDS:
        for level in LEVELS:
            noise = noise_model(kind, level)
            for signal in SIGNALS:
                clean = torch.full((channels, *SPATIAL), signal)
                generator = torch.Generator().manual_seed(derive_seed(seed, kind, level, signal))
                noisy = noise.sample(clean, generator).double()
                mean, variance = noise.mean(clean).double(), noise.variance(clean).double()
                found_mean, z_mean = _z(noisy.flatten(1).mean(1), float(mean.mean()))
                square, z_variance = _z((noisy - mean).square().flatten(1).mean(1), float(variance.mean()))
                yield {
                    "kind": kind,
                    "level": level,
                    "signal": signal,
                    "mean": (float(mean.mean()), found_mean, z_mean),
                    "sd": (float(variance.mean()) ** 0.5, square**0.5, z_variance),
                }


def _print_moments(rows: list[dict]) -> None:
    print("Level 0.1: mean and standard deviation (root mean square over the image), stated / measured\n")
    print("| kind | " + " | ".join(f"mean at {s:g} | sd at {s:g}" for s in SIGNALS) + " |")
    print("|---|" + "---|---|" * len(SIGNALS))
    for kind in NOISE_KINDS:
        found = [row for row in rows if row["kind"] == kind and row["level"] == 0.1]
        cells = [f"{row[what][0]:.4f} / {row[what][1]:.4f}" for row in found for what in ("mean", "sd")]
        print(f"| {kind} | " + " | ".join(cells) + " |")
    print("\nStandard deviation measured at a signal of 0.5, and the largest z of mean and variance over all signals\n")
    print("| kind | " + " | ".join(f"level {level:g}" for level in LEVELS) + " | z of mean | z of variance |")
    print("|---|" + "---|" * (len(LEVELS) + 2))
    for kind in NOISE_KINDS:
        found = [row for row in rows if row["kind"] == kind]
        cells = [f"{row['sd'][1]:.4f}" for row in found if row["signal"] == 0.5]
        cells += [f"{max((row[what][2] for row in found), key=abs):+.1f}" for what in ("mean", "sd")]
        print(f"| {kind} | " + " | ".join(cells) + " |")
    scores = [abs(row[what][2]) for row in rows for what in ("mean", "sd")]
    above = sum(score > 2 for score in scores) / len(scores)
    print(f"\n{len(scores)} z in all, {100 * above:.1f} % above 2 (4.6 % expected), largest {max(scores):.1f}\n")


def _print_correlations(channels: int, seed: int) -> None:
    print(f"Autocorrelation on images of {' x '.join(map(str, SPATIAL))}, level 0.1, signal 1: stated / measured (z)\n")
    print("| kind | " + " | ".join(str(lag) for lag in LAGS) + " |")
    print("|---|" + "---|" * len(LAGS))
    for kind in NOISE_KINDS:
        noise = noise_model(kind, 0.1)
        clean = torch.ones((channels, *SPATIAL))
        noisy = noise.sample(clean, torch.Generator().manual_seed(derive_seed(seed, kind))).double()
        deviation = (noisy - noise.mean(clean)) / noise.variance(clean).sqrt()
        cells = []
        for lag in LAGS:
            stated = noise.autocorrelation(lag, SPATIAL)
            measured, z = _z(_products(deviation, lag), stated)
            cells.append(f"{stated:.3f} / {measured:.3f} ({z:+.1f})")
        print(f"| {kind} | " + " | ".join(cells) + " |")


def _products(deviation: torch.Tensor, lag: tuple[int, ...]) -> torch.Tensor:
    """Mean product at a lag in every channel."""
    one = two = deviation
    for axis, step in enumerate(lag, start=1):
        length = deviation.shape[axis] - abs(step)
        one = one.narrow(axis, max(-step, 0), length)
        two = two.narrow(axis, max(step, 0), length)
    return (one * two).flatten(1).mean(1)


def _scanner(data: Path) -> None:
    """Correlation of the noise in ten realizations of a slice, beside that of the four windows."""
    scans = read_volume(data / "A_ct_lcd_simulated" / "noisy10.nii.gz").image.as_tensor()[:, 64:192, 64:192, 0].double()
    noise = scans - scans.mean(0)
    lags = [(1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (3, 0), (4, 0)]
    print("| noise | " + " | ".join(f"({a}, {b})" for a, b in lags) + " |")
    print("|---|" + "---|" * len(lags))
    measured = [float(_products(noise, lag).mean() / noise.square().mean()) for lag in lags]
    print("| measured | " + " | ".join(f"{value:.3f}" for value in measured) + " |")
    for name in APODIZATIONS:
        stated = expected_autocorrelation(FilteredBackprojection(name), lags).tolist()
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in stated) + " |")


def _monai() -> None:
    """What is right and what surprises in MONAI's two transforms; each line is a measurement."""
    plain = {"prob": 1.0, "std": 0.1}
    fixed = {**plain, "sample_std": False}
    half = torch.full((1, 500, 500), 0.5)
    gauss = RandGaussianNoise(**fixed).set_random_state(0)(half) - half
    print(f"Gaussian, sample_std=False: sd {float(gauss.std()):.4f}")
    for signal in (0.0, 0.1, 0.5):
        clean = torch.full((1, 500, 500), signal)
        noisy = RandRicianNoise(**fixed).set_random_state(0)(clean).double()
        stated: NoiseModel = RicianNoise(0.1)
        print(
            f"Rician, sample_std=False, signal {signal}: mean {float(noisy.mean()):.4f} "
            f"(exact {float(stated.mean(clean)[0, 0, 0]):.4f}), sd {float(noisy.std()):.4f} "
            f"(exact {float(stated.variance(clean)[0, 0, 0]) ** 0.5:.4f})"
        )
    default = RandGaussianNoise(**plain).set_random_state(0)
    squares = [float(default(torch.zeros(1, 32, 32)).square().mean()) for _ in range(5000)]
    print(f"Gaussian, defaults (sample_std=True): sd over 5000 calls {np.mean(squares) ** 0.5:.4f}")
    for transform in (RandGaussianNoised, RandRicianNoised):
        pair = transform(["a", "b"], **plain).set_random_state(0)({"a": half.clone(), "b": half.clone()})
        same = torch.equal(pair["a"], pair["b"])
        spread = " and ".join(f"{float(pair[key].std()):.4f}" for key in "ab")
        print(f"{transform.__name__}, two keys: {'the same noise' if same else 'independent noise'}, sd {spread}")
    given = torch.full((2, 64, 64), 0.5)
    RandRicianNoise(**fixed, channel_wise=True).set_random_state(0)(given)
    print(f"Rician, channel_wise=True: input changed in place: {not bool((given == 0.5).all())}")
    whole = torch.full((1, 500, 500), 100, dtype=torch.int16)
    for name, transform in (("Gaussian", RandGaussianNoise), ("Rician", RandRicianNoise)):
        noisy = transform(prob=1.0, std=2.0, sample_std=False, dtype=None).set_random_state(0)(whole)
        print(f"{name}, std=2, dtype=None on int16: sd {float(noisy.float().std()):.3f}")
    shifted = RandRicianNoise(**fixed, mean=0.3).set_random_state(0)(torch.zeros(1, 500, 500))
    print(f"Rician, mean=0.3, signal 0: mean {float(shifted.mean()):.3f} (0.3 enters both parts)")
    steps = torch.zeros(1, 500, 500)
    steps[:, :250] = 1.0
    relative = RandRicianNoise(**fixed, relative=True).set_random_state(0)(steps)
    print(f"Rician, relative=True on an image of 0 and 1: sd at 1 {float(relative[:, :250].std()):.4f}")
    for workers in (0, 2):
        torch.manual_seed(0)
        data = Dataset([{"a": torch.zeros(1, 4, 4)}] * 4, RandGaussianNoised("a", **fixed))
        loader = DataLoader(data, batch_size=1, num_workers=workers)
        values = [float(batch["a"].flatten()[0]) for batch in loader]
        print(f"first voxels with {workers} workers: " + ", ".join(f"{value:+.3f}" for value in values))


if __name__ == "__main__":
    main()

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Variance stabilization: strength of the noise after it, and bias after the round trip.

    python -m benchmarks.stabilization --denoise --plot docs/images/stabilization.png

For each noise model and signal: the exact distribution (scipy) is stabilized, its mean stands for the output of an
ideal denoiser, and what an inverse makes of it is compared with the signal. Beside it the same with the mean of 2^20
random draws in float32. Bias in percent of the noise's standard deviation at that signal. Draws are told where their
own standard error is below 0.25 %; strong signals are those of a signal-to-noise ratio of 2, of 100 floors, of 3 sigma.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import special, stats

from monai_diffdenoise import denoise
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.metrics import bias, psnr
from monai_diffdenoise.pipeline import DenoiseSettings
from monai_diffdenoise.transforms.stabilize import (
    AnscombeStabilizer,
    LogGammaStabilizer,
    RicianStabilizer,
    Stabilizer,
)

__all__ = ["main"]

_DRAWS = 2**20
_COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:red")
# What the horizontal axis shows, and from where on a signal counts as strong in the table.
_AXES = {
    "anscombe": ("signal-to-noise ratio", 2.0),
    "log-gamma": ("signal / floor", 100.0),
    "rician": ("signal / sigma", 3.0),
}


@dataclass(frozen=True)
class Case:
    """A noise model with its signals: signal -> values and probabilities, and signal -> random draws."""

    name: str
    stabilizer: Stabilizer
    signals: np.ndarray
    positions: np.ndarray
    distribution: Callable[[float], tuple[np.ndarray, np.ndarray]]
    draw: Callable[[float, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Row:
    """What one signal gave: the strength of the noise, before and after, and biases in percent of the one before."""

    deviation: float
    stabilized: float
    exact: float
    algebraic: float
    drawn: float
    drawn_error: float


def poisson_gaussian(s: float) -> Case:
    """Gain 1, offset 0, Gaussian part of s."""

    def distribution(rate: float) -> tuple[np.ndarray, np.ndarray]:
        reach = 12 * math.sqrt(rate) + 30
        k = np.arange(max(0, int(rate - reach)), int(rate + reach))
        t = np.linspace(-9, 9, 2001) if s else np.zeros(1)
        return k[:, None] + s * t, stats.poisson.pmf(k, rate)[:, None] * stats.norm.pdf(t)

    ratios = np.concatenate([np.linspace(0.05, 2, 14), np.linspace(2.5, 20, 15)])
    # x / sqrt(x + s^2) is the ratio
    rates = (ratios**2 + np.sqrt(ratios**4 + 4 * ratios**2 * s * s)) / 2
    return Case(
        f"Poisson-Gaussian, sigma / gain = {s:g}",
        AnscombeStabilizer(1.0, 0.0, s),
        rates,
        ratios,
        distribution,
        lambda rate, rng: rng.poisson(rate, _DRAWS) + s * rng.standard_normal(_DRAWS),
    )


def speckle(looks: float) -> Case:
    """Floor 1."""
    low, high = special.gammaincinv(looks, 1e-13), special.gammainccinv(looks, 1e-15)
    log = np.linspace(math.log(low / looks), math.log(high / looks), 20001)
    probability = np.exp(looks * (log - np.expm1(log)))
    signals = np.logspace(-2, 4, 25)
    return Case(
        f"Gamma, {looks:g} look{'s' if looks != 1 else ''}",
        LogGammaStabilizer(looks, 1.0),
        signals,
        signals,
        lambda signal: (signal * np.exp(log), probability),
        lambda signal, rng: signal * rng.gamma(looks, 1 / looks, _DRAWS),
    )


def magnitude(coils: int) -> Case:
    """Sigma 1."""

    def distribution(signal: float) -> tuple[np.ndarray, np.ndarray]:
        center = math.sqrt(signal**2 + 2 * coils)
        m = np.linspace(max(0.0, center - 10), center + 10, 20001)
        density = stats.chi.pdf(m, 2 * coils) if signal == 0 else 2 * m * stats.ncx2.pdf(m * m, 2 * coils, signal**2)
        return m, np.nan_to_num(density)

    def draw(signal: float, rng: np.random.Generator) -> np.ndarray:
        return np.sqrt((signal + rng.standard_normal(_DRAWS)) ** 2 + rng.chisquare(2 * coils - 1, _DRAWS))

    signals = np.concatenate([np.linspace(0, 8, 33), np.linspace(8.5, 20, 12)])
    name = "Rician" if coils == 1 else f"noncentral chi, {coils} coils"
    return Case(name, RicianStabilizer(1.0, coils), signals, signals, distribution, draw)


def measure(case: Case, seed: int) -> Iterator[Row]:
    """Every signal of a case."""
    rng = np.random.default_rng(seed)
    for signal in case.signals:
        values, probability = case.distribution(signal)
        probability = probability / probability.sum()
        deviation = _deviation(values, probability)
        stabilized = case.stabilizer.forward(torch.from_numpy(values.astype(np.float64))).numpy()
        mean = torch.tensor([(probability * stabilized).sum()], dtype=torch.float64)
        draws = case.stabilizer.forward(torch.from_numpy(case.draw(signal, rng)).float())
        middle, error = float(draws.double().mean()), float(draws.std()) / math.sqrt(_DRAWS)
        around = torch.tensor([middle - error, middle, middle + error], dtype=torch.float32)
        below, drawn, above = case.stabilizer.inverse(around).tolist()
        percent = 100 / deviation
        yield Row(
            deviation,
            _deviation(stabilized, probability),
            percent * (float(case.stabilizer.inverse(mean)) - signal),
            percent * (float(case.stabilizer.algebraic_inverse(mean)) - signal),
            percent * (drawn - signal),
            percent * (above - below) / 2,
        )


def published(case: Case) -> list[float]:
    """Bias of Makitalo and Foi's closed form (2013) for the usual transform, which is 0 where it is undefined."""
    s = case.stabilizer.sigma  # type: ignore[attr-defined]
    biases = []
    for rate in case.signals:
        values, probability = case.distribution(rate)
        probability = probability / probability.sum()
        d = float((probability * 2 * np.sqrt(np.maximum(values + 3 / 8 + s * s, 0))).sum())
        root = math.sqrt(3 / 2)
        got = d * d / 4 + root / 4 / d - 11 / 8 / d**2 + 5 / 8 * root / d**3 - 1 / 8 - s * s
        biases.append(100 * (got - rate) / _deviation(values, probability))
    return biases


def partly_denoised(seed: int) -> None:
    """Print the mean bias after averaging few draws, so that part of the noise remains."""
    print("\n| noise, signal | draws averaged | unbiased inverse | algebraic | remaining = 1 / draws |")
    print("|---|---|---|---|---|")
    cases = ((poisson_gaussian(0.0), 4.0), (poisson_gaussian(0.6), 10.0), (speckle(1.0), 1e4), (speckle(4.0), 1e4))
    for case, signal in (*cases, (magnitude(1), 1.0), (magnitude(1), 3.0)):
        rng = np.random.default_rng(seed)
        for count in (1, 4, 16):
            draws = torch.from_numpy(np.stack([case.draw(signal, rng) for _ in range(count)]))
            averaged = case.stabilizer.forward(draws).mean(0)
            percent = 100 / float(draws[0].std())
            biases = [
                percent * (float(restored.mean()) - signal)
                for restored in (
                    case.stabilizer.inverse(averaged),
                    case.stabilizer.algebraic_inverse(averaged),
                    case.stabilizer.inverse(averaged, 1 / count),
                )
            ]
            print(f"| {case.name}, {signal:g} | {count} | {' | '.join(f'{bias:+.1f}' for bias in biases)} |")


def denoised_phantom(seed: int) -> None:
    """Print what ``denoise`` (preset fast) makes of the phantom with Rician noise of 0.1, as it is and stabilized."""
    clean = make_phantom()
    truth, everywhere = clean[None], torch.ones_like(clean[None], dtype=torch.bool)
    noisy = add_noise(clean, "rician", 0.1, seed=seed + 1)[None]
    stabilizer = RicianStabilizer(0.1)
    how = DenoiseSettings(method="ns-n2n", stabilize="off", preset="fast", seed=seed)
    stabilized = denoise(stabilizer.forward(noisy), settings=how).image.as_tensor()
    outputs = {
        "noisy": noisy,
        "denoised": denoise(noisy, settings=how).image.as_tensor(),
        "stabilized, unbiased inverse": stabilizer.inverse(stabilized),
        "stabilized, algebraic inverse": stabilizer.algebraic_inverse(stabilized),
    }
    print("\n| phantom, Rician 0.1 | PSNR, bias of the object | PSNR, bias of all voxels |")
    print("|---|---|---|")
    for name, output in outputs.items():
        cells = [
            f"{psnr(output, truth, 1.0, m):.2f}, {bias(output, truth, 1.0, m):+.4f}" for m in (truth > 0.15, everywhere)
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def _deviation(values: np.ndarray, probability: np.ndarray) -> float:
    mean = (probability * values).sum()
    return math.sqrt((probability * (values - mean) ** 2).sum())


def plot(results: list[tuple[Case, list[Row]]], path: Path) -> None:
    """Strength of the noise above, bias below; one column a model."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(12, 6.4), sharex="col")
    for column, (kind, (label, _)) in enumerate(_AXES.items()):
        cases = [(case, rows) for case, rows in results if case.stabilizer.kind == kind]
        top, bottom = axes[:, column]
        for color, (case, rows) in zip(_COLORS, cases):
            top.plot(case.positions, [row.stabilized for row in rows], color=color, label=case.name)
            bottom.plot(case.positions, [row.exact for row in rows], color=color)
            bottom.plot(case.positions, [row.algebraic for row in rows], color=color, linestyle="--", linewidth=1)
            bottom.plot(case.positions, [row.drawn for row in rows], ".", color=color, markersize=4)
            if kind == "anscombe":
                bottom.plot(case.positions, published(case), color=color, linestyle=":", linewidth=1)
        top.axhline(1, color="black", linewidth=0.5)
        top.set_ylim(0.4 if kind != "rician" else 0.9, 1.1)
        top.legend(fontsize=7, loc="lower right")
        bottom.axhspan(-1, 1, color="0.85")
        bottom.set_yscale("symlog", linthresh=2)
        bottom.set_yticks(
            [-100, -10, -2, -1, 0, 1, 2, 10, 100], labels=["-100", "-10", "-2", "-1", "0", "1", "2", "10", "100"]
        )
        bottom.set_ylim(-150, 500)
        bottom.set_xlabel(label)
        if kind == "log-gamma":
            top.set_xscale("log")
    axes[0, 0].set_ylabel("standard deviation after")
    axes[1, 0].set_ylabel("bias after the round trip, % of the noise")
    styles = (("-", "exact unbiased inverse"), ("--", "algebraic inverse"), (":", "closed form, Makitalo and Foi"))
    handles = [plt.Line2D([], [], color="black", linestyle=style, label=label) for style, label in styles]
    handles.append(plt.Line2D([], [], color="black", marker=".", linestyle="", label="exact inverse, 2^20 draws"))
    axes[1, 0].legend(handles=handles, fontsize=7, loc="upper right")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def main() -> None:
    """Print one Markdown row a case, and draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", type=Path, help="PNG to write")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--denoise", action="store_true", help="also denoise a phantom, in about a minute")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = [*map(poisson_gaussian, (0.0, 0.6, 2.0, 10.0)), *map(speckle, (1.0, 4.0)), *map(magnitude, (1, 4))]
    results = [(case, list(measure(case, options.seed))) for case in cases]
    print("| noise | deviation after | strong | exact | algebraic | closed form | draws | in standard errors |")
    print("|---|---|---|---|---|---|---|---|")
    for case, rows in results:
        deviations = [row.stabilized for row in rows]
        closed = f"{max(map(abs, published(case))):.2f}" if case.stabilizer.kind == "anscombe" else "-"
        strong = [row.stabilized for row, at in zip(rows, case.positions) if at >= _AXES[case.stabilizer.kind][1]]
        # at the floor of a magnitude the inverse is a root, and draws say nothing about it
        drawn = [row for row in rows if row.drawn_error < 0.25]
        print(
            f"| {case.name} | {min(deviations):.3f} to {max(deviations):.3f} | "
            f"{min(strong):.3f} to {max(strong):.3f} | "
            f"{max(abs(row.exact) for row in rows):.4f} | {max(abs(row.algebraic) for row in rows):.1f} | {closed} | "
            f"{max(abs(row.drawn) for row in drawn):.2f} | "
            f"{max(abs(row.drawn / row.drawn_error) for row in drawn):.1f} |"
        )
    partly_denoised(options.seed)
    if options.denoise:
        denoised_phantom(options.seed)
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()

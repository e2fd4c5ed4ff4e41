# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
r"""How the noise depends on the signal: the variance at each brightness, and the law that explains it.

| family | variance at mean brightness m | parameters |
|---|---|---|
| gaussian | :math:`\sigma^2` | sigma |
| rician | that of a Rician variable of mean m | sigma of one Gaussian channel |
| noncentral-chi | that of a noncentral chi variable of mean m, n coils | sigma, coils |
| poisson-gaussian | :math:`g\,(m - o) + \sigma^2` | gain g, offset o (the darkest brightness), sigma |
| gamma | :math:`m^2 / L` | looks L |

Above a signal of about 4 sigma, Rician and noncentral chi noise is Gaussian, and nothing in the image tells them apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch

from monai_diffdenoise.transforms.noise.chi_moments import chi_mean, chi_variance

__all__ = ["FAMILIES", "NoiseCurve", "NoiseFamily", "fit_family"]

FAMILIES = ("gaussian", "rician", "noncentral-chi", "poisson-gaussian", "gamma")

# Groups with more structure than this say little; the figure is S's variance over D's energy, 1 for noise alone.
_CLEAN = 1.4
_FLOOR = 0.04
_STRUCTURE_ERROR = 0.15
# What one more parameter must earn, in units of chi-square: between AIC's 2 and BIC's log n.
_PENALTY = 2.5
# Structure adds to the variance of a place and takes nothing away: a law must not say more than was seen anywhere,
# but for chance and for blocks that reach into a masked background.
_BOUND_SLACK, _BOUND_WEIGHT = 0.2, 25.0
# A law this far off, as a share of the standard deviation, where it was fitted: slices too different to be compared.
_LOST = 0.5
_COILS = (2, 4, 8, 16, 32)
_LARGEST = 12.0


@dataclass(frozen=True, eq=False)
class NoiseCurve:
    """Noise variance at several brightnesses.

    Args:
        mean: (G,) brightness, input units.
        variance: (G,) of the noise, input units squared.
        count: (G,) number of blocks behind it.
        structure: (G,) see :class:`~monai_diffdenoise.analysis.flat_blocks.FlatBlocks`.
        pixels: independent pixels in a block.
        lowest: the smallest brightness that occurs anywhere.
        threshold: brightness from which on a place belongs to the object.
    """

    mean: np.ndarray
    variance: np.ndarray
    count: np.ndarray
    structure: np.ndarray
    pixels: float = 40.0
    lowest: float = -math.inf
    threshold: float = -math.inf

    def relative_error(self) -> np.ndarray:
        """Standard error of the logarithm of each variance: chance, and what structure may have added."""
        chance = 2 / (self.count * self.pixels)
        return np.sqrt(chance + (_FLOOR + _STRUCTURE_ERROR * np.maximum(self.structure - 1, 0)) ** 2)

    def trusted(self) -> tuple[np.ndarray, bool]:
        """Which groups can be used, and whether they suffice.

        They do if three are clean and one of these shows the object rather than the air around it, in which noise is
        often another. Otherwise the cleanest ones of the object are used as well, for want of better.
        """
        clean, bright = self.structure < _CLEAN, self.mean > self.threshold
        if clean.sum() >= min(3, len(clean)) and (clean & bright).any():
            return clean, True
        if not bright.any():
            # nothing is brighter than the threshold on average: all of it is the object, or all of it air
            bright = np.ones_like(bright)
        limit = np.sort(self.structure[bright])[: 3 if clean.any() else 5].max()
        return clean | (bright & (self.structure <= limit)), False


@dataclass(frozen=True)
class NoiseFamily:
    """A fitted law.

    Args:
        name: one of :data:`FAMILIES`.
        parameters: see the table of this module; input units.
        misfit: root mean square of the relative deviation of the standard deviation from the law.
        alternatives: chi-square of every family less that of the best one, penalties included; near 0 means that it
            explains the data as well.
        certain: whether the places that were measured held little structure, and the law explains them.
    """

    name: str
    parameters: dict[str, float]
    misfit: float
    alternatives: dict[str, float] = field(default_factory=dict)
    certain: bool = True

    def variance(self, mean: np.ndarray | torch.Tensor | float) -> np.ndarray:
        """Noise variance at a mean brightness, input units squared, float64."""
        m = np.asarray(mean, dtype=np.float64)
        p = self.parameters
        if self.name == "gaussian":
            return np.full_like(m, p["sigma"] ** 2)
        if self.name == "gamma":
            return m**2 / p["looks"]
        if self.name == "poisson-gaussian":
            return p["gain"] * np.maximum(m - p["offset"], 0) + p["sigma"] ** 2
        return _variance_by_mean(m, p["sigma"], int(p.get("coils", 1)))

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "name": self.name,
            "parameters": dict(self.parameters),
            "misfit": self.misfit,
            "alternatives": dict(self.alternatives),
            "certain": self.certain,
        }


@lru_cache(maxsize=8)
def _chi_table(coils: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of noncentral chi variables of sigma 1, by rising signal."""
    signal = torch.linspace(0, _LARGEST + math.sqrt(coils), 801, dtype=torch.float64)
    one = torch.ones((), dtype=torch.float64)
    return chi_mean(signal, one, coils).numpy(), chi_variance(signal, one, coils).numpy()


def _variance_by_mean(mean: np.ndarray, sigma: float, coils: int) -> np.ndarray:
    """Variance of a noncentral chi variable by its mean; at and below the floor, that of the floor."""
    means, variances = _chi_table(coils)
    return np.asarray(sigma**2 * np.interp(mean / sigma, means, variances))


def fit_family(curve: NoiseCurve) -> NoiseFamily:
    """Choose the law that explains the curve with the fewest parameters.

    Differences of the logarithm of the variance are weighted by their errors and limited, so that a group with
    anatomy in it cannot decide. A law is out where the image contradicts it: values below 0 for a magnitude or a
    speckle, brightness under the floor that Rician noise has.

    Args:
        curve: measured.

    Returns:
        its name and parameters, and how much worse the others are.
    """
    chosen, certain = curve.trusted()
    mean, logs = curve.mean[chosen], np.log(np.maximum(curve.variance[chosen], np.finfo(np.float64).tiny))
    weight = curve.relative_error()[chosen] ** -2.0
    above, most = curve.mean[~chosen], np.log(np.maximum(curve.variance[~chosen], np.finfo(np.float64).tiny))

    def cost(law: Callable[[np.ndarray], np.ndarray]) -> float:
        gap = np.log(np.maximum(law(mean), np.finfo(np.float64).tiny)) - logs
        over = np.maximum(np.log(np.maximum(law(above), np.finfo(np.float64).tiny)) - most - _BOUND_SLACK, 0)
        bounds = _BOUND_WEIGHT * np.minimum(over**2, 0.25).sum()
        return float((weight * np.minimum(gap**2, 0.25)).sum() + bounds)

    def scale(shape: np.ndarray) -> float:
        gaps = logs - np.log(np.maximum(shape, np.finfo(np.float64).tiny))
        order = gaps.argsort()
        # weighted median: a few groups with anatomy do not move it
        return float(np.exp(gaps[order][np.searchsorted(weight[order].cumsum(), weight.sum() / 2)]))

    fits: dict[str, tuple[float, dict[str, float]]] = {}
    level = scale(np.ones_like(mean))
    fits["gaussian"] = cost(lambda m: np.full_like(m, level)) + _PENALTY, {"sigma": math.sqrt(level)}
    fits["poisson-gaussian"] = _fit_affine(curve, mean, cost, scale)
    if curve.lowest >= 0:
        looks = scale(mean**2)
        fits["gamma"] = cost(lambda m: looks * m**2) + _PENALTY, {"looks": 1 / looks}
        for coils in (1, *_COILS):
            name = "rician" if coils == 1 else "noncentral-chi"
            found = _fit_chi(mean, level, coils, cost)
            if name not in fits or found[0] < fits[name][0]:
                fits[name] = found
    best = min(fits, key=lambda name: fits[name][0])
    family = NoiseFamily(best, fits[best][1], 0.0)
    gaps = np.log(np.maximum(family.variance(mean), np.finfo(np.float64).tiny)) - logs
    misfit = math.sqrt(float((weight * gaps**2).sum() / weight.sum())) / 2
    others = {name: round(value[0] - fits[best][0], 3) for name, value in sorted(fits.items())}
    return NoiseFamily(best, fits[best][1], misfit, others, certain and misfit < _LOST)


def _affine(mean: np.ndarray, factor: float, offset: float, span: float, base: float) -> np.ndarray:
    return np.asarray(factor * (np.maximum(mean - offset, 0) / span + base))


def _fit_affine(
    curve: NoiseCurve,
    mean: np.ndarray,
    cost: Callable[[Callable[[np.ndarray], np.ndarray]], float],
    scale: Callable[[np.ndarray], float],
) -> tuple[float, dict[str, float]]:
    offset = min(float(curve.mean.min()), 0.0) if curve.lowest < 0 else 0.0
    span = max(float(mean.max()) - offset, np.finfo(np.float64).tiny)
    above = np.maximum(mean - offset, 0) / span
    best = (math.inf, {"gain": 0.0, "offset": offset, "sigma": 0.0})
    for base in (0.0, *np.geomspace(1e-3, 3.0, 30)):
        if base == 0 and curve.lowest < 0:
            continue
        factor = scale(above + base)
        law = partial(_affine, factor=factor, offset=offset, span=span, base=base)
        found = cost(law) + _PENALTY * (2.6 if base else 1)
        if found < best[0]:
            sigma = math.sqrt(factor * base)
            best = found, {"gain": factor / span, "offset": offset, "sigma": sigma}
    return best


def _fit_chi(
    mean: np.ndarray,
    level: float,
    coils: int,
    cost: Callable[[Callable[[np.ndarray], np.ndarray]], float],
) -> tuple[float, dict[str, float]]:
    best = (math.inf, {"sigma": math.sqrt(level), "coils": float(coils)})
    floor = float(_chi_table(coils)[0][0])
    for sigma in math.sqrt(level) * np.geomspace(0.6, 1.8, 80):
        # The darkest place may be brighter than the floor, never darker; blocks scatter by a few percent.
        below = max(0.0, 0.95 - float(mean.min()) / (sigma * floor))
        found = cost(partial(_variance_by_mean, sigma=float(sigma), coils=coils)) + (below / 0.03) ** 2
        if found < best[0]:
            best = found, {"sigma": float(sigma), "coils": float(coils)}
    # Without places near the floor nothing speaks for this law over the Gaussian one.
    dark = float(mean.min()) < (floor + 2.5) * best[1]["sigma"]
    parameters = best[1] if coils > 1 else {"sigma": best[1]["sigma"]}
    return best[0] + _PENALTY * (1 if coils == 1 else 2) + (0.0 if dark else 1.0), parameters

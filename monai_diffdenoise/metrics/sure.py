# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Stein's unbiased risk estimate: the mean squared error of a denoiser, from the noisy image alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.arrays import Array, as_tensor, inside_mask, same_shape
from monai_diffdenoise.metrics.blocks import block_sums, estimate, finite_or_none, variance_of
from monai_diffdenoise.metrics.probe import Denoiser, ProbeResponse, probe_response, run_denoiser

__all__ = ["RiskEstimate", "poisson_gaussian_sure", "sure", "sure_from_response"]

# Two values with mean 0, variance 1 and skewness 1: what a third derivative's trace is probed with.
_HIGH = (1.0 + math.sqrt(5.0)) / 2.0
_P_HIGH = 1.0 / (1.0 + _HIGH**2)


@dataclass(frozen=True)
class RiskEstimate:
    """Estimated error of a denoised image.

    Args:
        mse: mean squared error against the image without noise, in squared units; may fall below 0 by its error.
        standard_error: of ``mse`` as an estimate of the error of this very image, if the noise variance is right.
        gain_error: of ``gain``, likewise.
        noise_gain: part of the noise that is still in the result, 0 (none) to 1 (all of it).
        removed: mean square of what was removed, in squared units.
        noise_variance: mean of the noise variance that was assumed: the error of the noisy image itself.
    """

    mse: float
    standard_error: float
    gain_error: float
    noise_gain: float
    removed: float
    noise_variance: float

    @property
    def gain(self) -> float:
        """By how much the error is smaller than that of the noisy image; negative where denoising did harm."""
        return self.noise_variance - self.mse

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        names = ("mse", "standard_error", "gain", "gain_error", "noise_gain", "removed", "noise_variance")
        return {name: finite_or_none(getattr(self, name)) for name in names}


def sure(
    noisy: Array,
    denoise: Denoiser,
    sigma: float | torch.Tensor,
    generator: torch.Generator | None = None,
    probe_noise: Array | None = None,
    h: float = 0.1,
    *,
    denoised: Array | None = None,
    mask: Array | None = None,
) -> RiskEstimate:
    r"""Mean squared error of a denoiser for Gaussian noise, by one Monte-Carlo probe through all of it.

    .. math:: \widehat{MSE} = \overline{(f(y) - y)^2} - \sigma^2 + 2 \sigma^2 g, \qquad
        g = \frac{\langle p, f(y + h p) - f(y) \rangle}{h \langle p, p \rangle}

    p is drawn with the covariance C of the noise, so that :math:`\langle p, J p \rangle` is tr(C J) on average: white
    unless ``probe_noise`` says otherwise. White probes for correlated noise give a wrong estimate. g is the noise gain.

    Args:
        noisy: y, (C, *spatial).
        denoise: f, see :func:`~monai_diffdenoise.metrics.probe.probe_response`; the same result for the same input.
        sigma: standard deviation of the noise, in units of y; a number or a map. The noise has mean 0.
        generator: draws the white probe; None takes one with seed 0.
        probe_noise: a draw of noise correlated as in y, of any strength and of its shape.
        h: strength of the probe as a share of the noise.
        denoised: f(y), if it is there already, which saves one of two runs.
        mask: where to look.

    Raises:
        InputError: shapes differ, sigma, h or the probe is 0, the mask is empty, or values in it are not finite.
    """
    before = run_denoiser(denoise, noisy) if denoised is None else denoised
    response = probe_response(noisy, denoise, sigma, denoised=before, probe_noise=probe_noise, h=h, generator=generator)
    return sure_from_response(noisy, before, response, sigma, mask=mask)


def sure_from_response(
    noisy: Array, denoised: Array, response: ProbeResponse, sigma: float | torch.Tensor, *, mask: Array | None = None
) -> RiskEstimate:
    """Do as :func:`sure` with a probe that has been through the denoiser already."""
    y, f, p, d = same_shape(noisy, denoised, response.noise, response.response)
    variance = variance_of(sigma, y.shape)
    return _risk(block_sums(_fields, y, f, p, d, _elsewhere(p, variance), variance, inside=inside_mask(mask, y.shape)))


def poisson_gaussian_sure(
    noisy: Array,
    denoise: Denoiser,
    a: float,
    b: float,
    generator: torch.Generator | None = None,
    h: float = 0.1,
    *,
    second_order: bool = False,
    denoised: Array | None = None,
    mask: Array | None = None,
) -> RiskEstimate:
    r"""Mean squared error of a denoiser for white Poisson-Gaussian noise.

    y = a P(x / a) + n with Poisson counts P and Gaussian n of variance b: the variance is a x + b. To second order in
    a (Luisier et al. 2011, Le Montagner et al. 2014),

    .. math:: \widehat{MSE} = \overline{(f - y)^2 - (a y + b) + 2 (a y + b)\, \partial_i f_i
        - (a^2 y + 2 a b)\, \partial_i^2 f_i}

    The last term is small unless counts are few and f bends within one count; it is left out by default, since its
    probe is noisy and takes one more run. The standard errors take the noise for Gaussian.

    Args:
        noisy: y, (C, *spatial), with 0 at no signal.
        denoise: f; the same result for the same input.
        a: signal per count, at least 0, in units of y.
        b: variance of the Gaussian part, at least 0, in squared units.
        generator: draws the probe; None takes one with seed 0.
        h: strength of the probe as a share of the mean noise.
        second_order: include the last term.
        denoised: f(y), if it is there already.
        mask: where to look.

    Raises:
        InputError: shapes differ, a or b is negative or both are 0, the mask is empty, or values are not finite.
    """
    if not (math.isfinite(a) and math.isfinite(b) and a >= 0 and b >= 0 and a + b > 0):
        raise InputError(f"got a={a} and b={b}; expected numbers of at least 0, not both 0, in units of the image")
    y = as_tensor(noisy)
    inside = inside_mask(mask, y.shape)
    generator = generator if generator is not None else torch.Generator().manual_seed(0)
    before = run_denoiser(denoise, noisy) if denoised is None else same_shape(noisy, denoised)[1]
    # not clipped at 0: the mean of a y + b is unbiased only with all of its noise
    variance = a * y.double() + b
    scale = math.sqrt(max(float((variance if inside is None else variance[inside]).mean()), 0.0))
    if not scale > 0:
        raise InputError(f"got a={a}, b={b} and an image whose mean variance is not above 0; expected 0 at no signal")
    high = torch.rand(y.shape, generator=generator, device=generator.device).cpu() < _P_HIGH
    unit = torch.where(high, _HIGH, -1.0 / _HIGH)
    after = run_denoiser(denoise, noisy, (h * scale) * unit)
    bend = None
    if second_order:
        opposite = run_denoiser(denoise, noisy, (-h * scale) * unit)
        curve = (after.double() - 2 * before.double() + opposite.double()) / (h * scale) ** 2
        bend = (a**2 * y.double() + 2 * a * b) * unit * curve
        response = (after - opposite) / (2 * h * scale)
    else:
        response = (after - before) / (h * scale)
    strength = variance.clamp_min(0.0).sqrt()
    noise, zero = strength * unit, torch.zeros((), dtype=torch.float64).expand(y.shape)
    table = block_sums(
        lambda y, f, d, u, v, c, p, q: (
            *(torch.ones_like(y), (f - y).square() - c, v * u * d, v * u.square(), v),
            *_spreads(y - f, p, v.clamp_min(0.0).sqrt() * d, q),
        ),
        *(y, before, response, unit, variance, zero if bend is None else bend, noise, _elsewhere(noise, variance)),
        inside=inside,
    )
    return _risk(table)


def _elsewhere(noise: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """The noise of another place, as strong as the noise here: a second draw that costs no run."""
    strength = variance.clamp_min(0.0).sqrt()
    unit = torch.where(strength > 0, noise / strength, 0.0)
    return strength * unit.roll([side // 2 for side in noise.shape[1:]], tuple(range(1, noise.dim())))


def _fields(
    y: torch.Tensor, f: torch.Tensor, p: torch.Tensor, d: torch.Tensor, q: torch.Tensor, v: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    return torch.ones_like(y), (f - y).square(), p * d, p.square(), v, *_spreads(y - f, p, d, q)


def _spreads(r: torch.Tensor, p: torch.Tensor, d: torch.Tensor, q: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What :func:`_risk` takes the errors from: <p, r>, <q, p> and <q, J p> for two independent draws p and q."""
    return p * r, q * p, q * d


def _risk(table: torch.Tensor) -> RiskEstimate:
    r"""SURE from sums over blocks; the probe enters as a ratio, which is exact for f = c y.

    The estimate is off by what is random in <n, 2 r - n> for the noise n and the residual r, that of the gain by what
    is random in <n, 2 r>, and both by the probe. Structure in r meets p as it does n. For the rest of r, n - J n, the
    variance of <p, A p> is at most twice that of <q, A p>, which has a mean of 0 everywhere, so that the spread over
    blocks holds nothing of the structure.

    Args:
        table: (blocks, 8), sums of 1, (f - y)^2, <p, J p>, <p, p>, the noise variance, <p, r>, <q, p> and <q, J p>.
    """
    count, removed, product, energy, variance = table[:, :5].sum(dim=0)
    noise_gain, level, removed = product / energy, variance / count, removed / count
    cross, same, through = table[table[:, 0] > 0, 5:].T / count

    def spread(part: torch.Tensor) -> float:
        return estimate(0.0, part).standard_error ** 2

    # <p, r> meets the noise in r, too, which is counted below
    structure = spread(2 * cross) - spread(2 * (same - through))
    shared = (max(structure, 0.0) if math.isfinite(structure) else math.inf) + 8 * spread(through - noise_gain * same)
    errors = [math.sqrt(shared + 2 * spread(own)) for own in (same - 2 * through, 2 * (same - through))]
    mse = removed - level + 2 * level * noise_gain
    return RiskEstimate(float(mse), errors[0], errors[1], float(noise_gain), float(removed), float(level))

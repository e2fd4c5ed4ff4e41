# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Is the denoised image closer to the truth than the noisy one? Evidence without the truth, and a vote."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.arrays import Array, inside_mask, same_shape
from monai_diffdenoise.metrics.blocks import Estimate, block_sums, estimate, finite_or_none, variance_of
from monai_diffdenoise.metrics.probe import Denoiser, ProbeResponse, probe_response
from monai_diffdenoise.metrics.residual import structure_loss
from monai_diffdenoise.metrics.slice_error import slice_gain
from monai_diffdenoise.metrics.sure import sure_from_response

__all__ = ["Evidence", "Verdict", "improves"]

Vote = Literal["better", "worse", "undecided"]

# Up to a half averaging cannot do harm (see structure_loss); the upper limit is by measurement on phantoms and class B
# volumes (python -m benchmarks.no_reference).
_MOST_STRUCTURE = 0.5
_TOO_MUCH_STRUCTURE = 0.7


@dataclass(frozen=True)
class Evidence:
    """What one test found.

    Args:
        name: "sure", "slices", "structure" or "energy".
        low: lower limit of its quantity at the stated significance.
        high: upper limit.
        vote: what follows from the limits.
        text: the same in a sentence.
    """

    name: str
    low: float
    high: float
    vote: Vote
    text: str


@dataclass(frozen=True)
class Verdict:
    """Whether denoising brought the image closer to the truth.

    Args:
        vote: "better" or "worse" at the stated significance, else "undecided".
        significance: probability of an error by chance in each limit, one-sided.
        evidence: what was found, one entry a test that could be made.
    """

    vote: Vote
    significance: float
    evidence: tuple[Evidence, ...]

    @property
    def reason(self) -> str:
        """The evidence that decided, in a sentence."""
        deciding = [part.text for part in self.evidence if part.vote == self.vote]
        return "; ".join(deciding) if deciding else "no test could be made"

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        parts = [
            {**asdict(part), "low": finite_or_none(part.low), "high": finite_or_none(part.high)}
            for part in self.evidence
        ]
        return {"vote": self.vote, "significance": self.significance, "reason": self.reason, "evidence": parts}


def improves(
    noisy: Array,
    denoised: Array,
    *,
    sigma: float | torch.Tensor | None = None,
    sigma_error: float = 0.1,
    denoise: Denoiser | None = None,
    response: ProbeResponse | None = None,
    probe_noise: Array | None = None,
    axis: int | None = None,
    distance: int = 1,
    mask: Array | None = None,
    significance: float = 0.01,
    generator: torch.Generator | None = None,
) -> Verdict:
    """Judge whether denoising brought an image closer to the truth, by all tests that the arguments allow.

    "sure" (sigma and denoise): the error by Stein's estimate, at both ends of the range of sigma. "slices" (axis): the
    gain against neighboring slices, without sigma. "structure" (axis): up to half of what was removed may be structure;
    certainly more than 70 % is harm. "energy" (sigma, without denoise): what was removed may have twice the variance of
    the noise at most.

    One vote for "worse" makes the verdict "worse". "better" takes a vote for it from "sure" or "slices" and no other
    test that stayed undecided. Limits hold at the stated significance, by the spread over blocks of voxels; that of
    "sure" adds the range of sigma.

    Args:
        noisy: y, (C, *spatial).
        denoised: f(y), same shape.
        sigma: standard deviation of the noise, in units of y, a number or a map.
        sigma_error: how far sigma may be off, as a share of it.
        denoise: f, run once more, see :func:`~monai_diffdenoise.metrics.sure`.
        response: of f to noise of strength sigma, if it is there already, in place of ``denoise``.
        probe_noise: noise correlated as in y, for the probe.
        axis: spatial axis along which slices with independent noise are stacked; None where there are none. Without
            ``denoise`` or ``response`` each slice must have been denoised from itself alone.
        distance: slices from one to its partner.
        mask: where to look.
        significance: one-sided, above 0 and under 0.5.
        generator: draws a white probe.

    Returns:
        "better", "worse" or undecided, with the votes and a sentence.

    Raises:
        InputError: nothing to judge by, shapes differ, or a number out of its range.
    """
    if not 0.0 < significance < 0.5 or not 0.0 <= sigma_error < 1.0:
        raise InputError(
            f"got significance {significance} and sigma_error {sigma_error}; expected above 0 and under 0.5, and 0 to 1"
        )
    if sigma is None and (axis is None or denoise is not None or response is not None):
        raise InputError("got no sigma; expected one for a probe, or slices along an axis and no denoiser")
    z = NormalDist().inv_cdf(1.0 - significance)
    found: list[Evidence] = []
    if sigma is not None and denoise is not None and response is None:
        response = probe_response(
            noisy, denoise, sigma, denoised=denoised, probe_noise=probe_noise, generator=generator
        )
    if sigma is not None and response is not None:
        found.append(_by_sure(noisy, denoised, response, sigma, sigma_error, mask, z))
    elif sigma is not None:
        found.append(_by_energy(noisy, denoised, sigma, sigma_error, mask, z))
    if axis is not None:
        gain = slice_gain(noisy, denoised, axis, distance, mask=mask, response=response)
        found.append(_gain_evidence("slices", "the gain against neighboring slices", *_limits(gain, z)))
        share = structure_loss(noisy, denoised, axis, distance, mask=mask, response=response).share
        found.append(_by_structure(share, z))
    return Verdict(_decide(found), significance, tuple(found))


def _decide(found: list[Evidence]) -> Vote:
    if any(part.vote == "worse" for part in found):
        return "worse"
    votes = [part.vote for part in found if part.name in ("sure", "slices")]
    if votes and all(part.vote == "better" for part in found if part.name != "energy"):
        return "better"
    return "undecided"


def _limits(value: Estimate, z: float) -> tuple[float, float]:
    return value.value - z * value.standard_error, value.value + z * value.standard_error


def _gain_evidence(name: str, what: str, low: float, high: float) -> Evidence:
    vote: Vote = "better" if low > 0 else "worse" if high < 0 else "undecided"
    return Evidence(name, low, high, vote, f"{what} is {low:.3g} to {high:.3g} in squared units of the image")


def _by_sure(
    noisy: Array,
    denoised: Array,
    response: ProbeResponse,
    sigma: float | torch.Tensor,
    sigma_error: float,
    mask: Array | None,
    z: float,
) -> Evidence:
    risk = sure_from_response(noisy, denoised, response, sigma, mask=mask)
    ends = [
        2 * risk.noise_variance * (1 + side * sigma_error) ** 2 * (1 - risk.noise_gain) - risk.removed
        for side in (-1, 1)
    ]
    margin = z * risk.gain_error
    return _gain_evidence("sure", "the gain by Stein's estimate", min(ends) - margin, max(ends) + margin)


def _by_energy(
    noisy: Array, denoised: Array, sigma: float | torch.Tensor, sigma_error: float, mask: Array | None, z: float
) -> Evidence:
    """More than twice the noise's variance removed is harm for every denoiser that does not amplify noise."""
    y, f = same_shape(noisy, denoised)
    variance = variance_of(sigma, y.shape) * (1 + sigma_error) ** 2
    table = block_sums(
        lambda y, f, v: (torch.ones_like(y), (y - f).square() - 2 * v),
        y,
        f,
        variance,
        inside=inside_mask(mask, y.shape),
    )
    table = table[table[:, 0] > 0]
    count, total = table.sum(dim=0)
    value = total / count
    low, high = _limits(estimate(value, (table[:, 1] - value * table[:, 0]) / count), z)
    text = f"what was removed exceeds twice the variance of the noise by {low:.3g} to {high:.3g} in squared units"
    return Evidence("energy", low, high, "worse" if low > 0 else "undecided", text)


def _by_structure(share: Estimate, z: float) -> Evidence:
    low, high = _limits(share, z)
    vote: Vote = "better" if share.value <= _MOST_STRUCTURE else "undecided"
    if low > _TOO_MUCH_STRUCTURE:
        vote = "worse"
    return Evidence("structure", low, high, vote, f"structure is {share.value:.0%} of what was removed")

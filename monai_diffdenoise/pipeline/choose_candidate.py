# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which of several denoised versions of a volume is returned, by the scores that need no clean image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from monai_diffdenoise.metrics.verdict import Verdict
from monai_diffdenoise.pipeline.do_no_harm import judge
from monai_diffdenoise.pipeline.zero_shot import Denoiser, ZeroShot

__all__ = ["FUSED", "Selection", "choose_candidate", "fused_first", "fused_or_not"]

FUSED = " + fusion"
"""What the name of a candidate ends in if fusion follows."""

# By what share of the first one's error another's must be smaller: diffusion-weighted images without fusion score 0.4 %
# better, and are 0.2 dB worse.
_TIE = 0.01
# Estimates of the error below minus this share of the noise are not believed: the noise is then not the one that was
# measured, or was learned. On OCT, speckle that stays was -0.14 and 4 dB worse than the first; a sigma that is 2 % off
# makes 0.04.
_IMPOSSIBLE = -0.05
# Tests that measure a gain; the others only warn.
_GAINS = ("sure", "slices")


@dataclass(frozen=True)
class Selection:
    """What was chosen, and why.

    Args:
        name: of the candidate.
        verdict: of its result; None where nothing could be said.
        gains: of each candidate, by test: how much smaller the mean squared error became, in normalised units squared.
        reason: one sentence.
    """

    name: str
    verdict: Verdict | None
    gains: dict[str, dict[str, float]]
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return {"returned": self.name, "why": self.reason, "gains": self.gains}


def fused_or_not(job: ZeroShot, denoisers: Mapping[str, Denoiser]) -> dict[str, Denoiser]:
    """Candidates from denoisers that see the noisy pixel: fusion gives some of them back what others never lost.

    Args:
        job: whose settings may switch fusion off.
        denoisers: by name.
    """
    plain = dict(denoisers)
    return plain | ({name + FUSED: how for name, how in plain.items()} if job.settings.fusion else {})


def fused_first(job: ZeroShot, name: str, network: nn.Module) -> dict[str, nn.Module]:
    """Candidates from a network: with fusion, if the settings allow it, and without, in case its noise is uncertain."""
    return ({name + FUSED: network} if job.settings.fusion else {}) | {name: network}


def choose_candidate(job: ZeroShot, candidates: Mapping[str, Any]) -> Selection:
    """Let each candidate denoise the same part, and take the one with the largest gain.

    The gain is the mean of Stein's estimate and of that against neighboring slices, as far as there are both and each
    can be right. Stein's takes the level of the noise for known and the same everywhere: where it varies, or is
    uncertain and the network sees no neighbors (whose noise in the result would pass for a gain), the slices tell
    alone. Where they give a candidate a larger gain than there is noise, it is the anatomy that changes between them,
    and they do not count. All candidates see the same noise and the same probe, so that their differences are far more
    certain than each gain. One that seems to leave less than no error is not believed: its noise is not what was
    measured, or it was learned.

    Args:
        job: the run.
        candidates: networks of the plan and denoisers, by name; the first is taken where nothing tells them apart, or
            another is better by less than a hundredth of the error.
    """
    verdicts = {name: judge(job, how, name.endswith(FUSED)) for name, how in candidates.items()}
    gains = {name: {} if verdict is None else _gains(verdict) for name, verdict in verdicts.items()}
    common = set.intersection(*(set(found) for found in gains.values()))
    first = next(iter(candidates))
    if not common:
        return Selection(first, verdicts[first], gains, f"{first}: nothing tells the candidates apart")
    noise = job.noise.sigma(job.image.shape[0] // 2) ** 2
    # as much as there may be where it is strongest
    most = (1 - _IMPOSSIBLE) * noise * _strongest(job) ** 2
    if common == set(_GAINS):
        if max(found["slices"] for found in gains.values()) > most:
            common = {"sure"}
        elif _level_is_vague(job):
            common = {"slices"}
    means = {name: sum(found[test] for test in common) / len(common) for name, found in gains.items()}
    believed = [name for name in means if means[name] <= most] or [first]
    best = max(believed, key=lambda name: means[name])
    if means[best] - means[first] < _TIE * abs(noise - means[first]):
        best = first
    told = ", ".join(f"{name} {1 - value / noise:.3g}" for name, value in means.items())
    possible = "the least error" if len(believed) == len(means) else "the least possible error"
    least = possible if means[best] == max(means[name] for name in believed) else "an error within 1 % of the least"
    reason = f"{best}: {least} by {' and '.join(sorted(common))}, as a share of the noise's variance ({told})"
    return Selection(best, verdicts[best], gains, reason)


def _strongest(job: ZeroShot) -> float:
    """Level of the noise where it is strongest, as a multiple of its usual one."""
    variation = None if job.plan.noise is None else job.plan.noise["level_variation"]
    return float(variation["highest"]) if variation is not None and variation["varies"] else 1.0


def _level_is_vague(job: ZeroShot) -> bool:
    """Whether the slices know better than Stein's estimate."""
    if job.plan.noise is not None and job.plan.noise["certain"]:
        return _strongest(job) > 1.0
    return job.plan.context == 0 and job.plan.pairing != "slice-blind"


def _gains(verdict: Verdict) -> dict[str, float]:
    return {part.name: (part.low + part.high) / 2 for part in verdict.evidence if part.name in _GAINS}

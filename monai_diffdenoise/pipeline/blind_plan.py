# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How a blind-spot network is set up: which one, how blind, and what it sees of the neighboring slices."""

from __future__ import annotations

from dataclasses import dataclass

from monai_diffdenoise.engines import default_device
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.noise_advice import NoiseAdvice
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.pipeline.slice_pairs import SlicePairs

__all__ = ["BlindPlan", "plan_blind_spot"]

# Correlation with the next pixel. Below, more is lost with the slice than noise is let through: T1 MPRAGE with noise of
# 0.05 reads 0.1 to 0.2, most of it texture, and comes out 1.3 dB better with its slice than without.
_WEAK = 0.25


@dataclass(frozen=True)
class BlindPlan:
    """One choice for each part of a blind-spot network.

    Args:
        network: "stack", "puca" or "lg-bpn".
        blind_spot: height and width in pixels of what it does not see; None for the whole slice.
        stride: of its pixel shuffle; 1 for none.
        context: neighboring slices that it sees whole.
        reasons: one sentence for each choice.
        warnings: what the user should know.
    """

    network: str
    blind_spot: tuple[int, int] | None
    stride: int
    context: int
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def plan_blind_spot(
    settings: DenoiseSettings, pairs: SlicePairs, advice: NoiseAdvice, companions: int = 0
) -> BlindPlan:
    """Choose for a volume.

    Args:
        settings: what the user asked for.
        pairs: what the neighboring slices are good for.
        advice: what the noise asks for.
        companions: other time points that the network sees.

    Raises:
        InputError: more neighbors were asked for than there are.
    """
    context, near, warnings = _context(settings, pairs)
    spot, why_spot = _spot(settings, advice, context, companions)
    network, why = _network(settings, spot)
    # a square, since training turns patches by 90 degrees
    measured = max(advice.blind_spot)
    reasons = [why, why_spot, near]
    stride = settings.stride or (advice.stride if network == "puca" else 1)
    if stride > 1:
        reasons.append(f"pixel shuffle of {stride}: asked for" if settings.stride else advice.reasons["stride"])
    # the nearest pixel that is seen, against the farthest whose noise is correlated
    nearest = stride * (spot // 2 + 1) if spot is not None else measured
    if nearest <= measured // 2 and advice.correlation >= _WEAK:
        warnings += (
            f"noise is correlated over {measured} x {measured} pixels and the blind spot is {spot} x {spot}: the part "
            "that the network can see will stay in the image",
        )
    return BlindPlan(network, None if spot is None else (spot, spot), stride, context, tuple(reasons), warnings)


def _spot(settings: DenoiseSettings, advice: NoiseAdvice, context: int, companions: int) -> tuple[int | None, str]:
    """Side of the blind square, None for the whole slice, and why."""
    side = max(advice.blind_spot)
    if settings.blind_spot == 0:
        if not context and not companions:
            raise InputError(
                "got blind-spot = 0, which leaves the neighboring slices only, and none to see: set it to 1"
            )
        return None, "blind to the whole slice: asked for"
    if settings.blind_spot is not None:
        return settings.blind_spot, f"blind to {settings.blind_spot} x {settings.blind_spot} pixels: asked for"
    if settings.network == "puca":
        return 1, "blind to one pixel: PUCA is"
    why = advice.reasons["blind_spot_network"].rpartition(": ")[2]
    # other time points tell what the square hides, and what it leaves tells in what this one differs from them
    if companions:
        return side, f"blind to {side} x {side} pixels: {why}"
    if side > 1 and context and settings.network != "lg-bpn" and advice.correlation < _WEAK:
        return 1, f"blind to one pixel: {advice.correlation:.2f} is little, and a slice tells more of itself"
    if side > 1 and context and settings.network != "lg-bpn":
        return None, f"blind to the whole slice, neighbors tell more: {why}"
    return side, f"blind to {side} x {side} pixels: {why}"


def _network(settings: DenoiseSettings, spot: int | None) -> tuple[str, str]:
    if (settings.network == "puca" and spot != 1) or (settings.network == "lg-bpn" and spot is None):
        what = "the whole slice" if spot is None else f"{spot} x {spot} pixels"
        raise InputError(
            f"got network {settings.network} and a blind spot of {what}, which it does not have: choose stack"
        )
    if settings.network != "auto":
        return settings.network, f"network {settings.network}: asked for"
    if spot is None:
        return "stack", "network stack: it can leave its own slice out"
    if default_device(settings.device).type == "cpu":
        return "stack", "network stack: small enough for a CPU"
    if spot == 1:
        return "puca", "network puca: blind to one pixel, and there is a GPU"
    return "lg-bpn", "network lg-bpn: noise is correlated, and there is a GPU"


def _context(settings: DenoiseSettings, pairs: SlicePairs) -> tuple[int, str, tuple[str, ...]]:
    """Number of neighbors, why, and warnings."""
    depth = 1 if pairs.measurement is None else pairs.measurement.num_slices
    most = 4 if depth > 4 * pairs.distance else 2 if depth > 2 * pairs.distance else 0
    if settings.context is None:
        if pairs.independent and most:
            return most, f"{most} neighboring slices as context: their noise is independent", ()
        why = "noise is correlated across slices" if pairs.close else "they are too few, or too far apart"
        return 0, f"no neighboring slices as context: {why}", ()
    if settings.context and not most:
        raise InputError(
            f"got context = {settings.context} for {depth} slices; expected 0, or at least {2 * pairs.distance + 1} "
            "slices"
        )
    warnings: tuple[str, ...] = ()
    if settings.context and pairs.close and not pairs.independent:
        warnings = (pairs.message,)
    return settings.context, f"{settings.context} neighboring slices as context: asked for", warnings

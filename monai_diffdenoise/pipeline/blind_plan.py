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


@dataclass(frozen=True)
class BlindPlan:
    """One choice for each part of a blind-spot network.

    Args:
        network: "stack", "puca", "lg-bpn" or "unet".
        blind_spot: height and width in pixels of what it does not see.
        stride: of its pixel shuffle; 1 for none.
        context: neighboring slices that it sees whole.
        reasons: one sentence for each choice.
        warnings: what the user should know.
    """

    network: str
    blind_spot: tuple[int, int]
    stride: int
    context: int
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def plan_blind_spot(settings: DenoiseSettings, pairs: SlicePairs, advice: NoiseAdvice) -> BlindPlan:
    """Choose for a volume.

    Args:
        settings: what the user asked for.
        pairs: what the neighboring slices are good for.
        advice: what the noise asks for.

    Raises:
        InputError: more neighbors were asked for than there are.
    """
    # a square, since training turns patches by 90 degrees
    measured = max(advice.blind_spot)
    side = settings.blind_spot if settings.blind_spot is not None else measured
    network, why = _network(settings, side)
    stride = 1
    if network == "puca":
        side, stride = 1, advice.stride
    stride = settings.stride if settings.stride is not None else stride
    spot = "asked for" if settings.blind_spot is not None else advice.reasons["blind_spot_network"].partition(": ")[2]
    context, near, warnings = _context(settings, pairs)
    if network == "unet" and not context:
        raise InputError("got network unet, which sees neighboring slices only, and no neighbors to see: choose stack")
    reasons = [why, f"blind to {side} x {side} pixels: {spot}", near]
    if stride > 1:
        reasons.append(
            f"pixel shuffle of {stride}: asked for" if settings.stride is not None else advice.reasons["stride"]
        )
    # the nearest pixel that is seen, against the farthest whose noise is correlated
    if stride * (side // 2 + 1) <= measured // 2 and network != "unet":
        warnings += (
            f"noise is correlated over {measured} x {measured} pixels and the blind spot is {side} x {side}: the part "
            "that the network can see will stay in the image",
        )
    return BlindPlan(network, (side, side), stride, context, tuple(reasons), warnings)


def _network(settings: DenoiseSettings, side: int) -> tuple[str, str]:
    if settings.network == "puca" and (settings.blind_spot or 1) > 1:
        raise InputError(
            f"got network puca, which is blind to one pixel, and a blind spot of {side} x {side}: choose lg-bpn "
            "or stack"
        )
    if settings.network != "auto":
        return settings.network, f"network {settings.network}: asked for"
    if default_device(settings.device).type == "cpu":
        return "stack", "network stack: small enough for a CPU"
    if side == 1:
        return "puca", "network puca: noise is white, and there is a GPU"
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

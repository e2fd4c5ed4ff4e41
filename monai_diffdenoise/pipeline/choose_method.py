# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which method suits a volume, and what it learns from."""

from __future__ import annotations

from dataclasses import dataclass

from monai_diffdenoise.analysis import NoiseMeasurement
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.pipeline.repeats import repeats_one_image
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.pipeline.slice_pairs import SlicePairs

__all__ = ["Choice", "choose_method"]

# Slices that a blind-spot network must have to learn from. With ten it came out ahead in docs/measurements.md; on five
# frames of an OCT and eight slices of a CT head phantom pairs of slices did, by 1.4 dB and by all that was gained.
_FEWEST = 10
# Voxels that the later stages of diffdenoise denoise in the time of their training: five passes of the first network.
_MOST = 1 << 22


@dataclass(frozen=True)
class Choice:
    """A method, its pairs, and why.

    Args:
        method: "ns-n2n", "bsn" or "diffdenoise".
        pairing: "neighbor", "slice-blind", "repeat" or "blind".
        reason: one sentence; empty where the user named the method.
    """

    method: str
    pairing: str
    reason: str = ""


def choose_method(
    volume: Volume, settings: DenoiseSettings, pairs: SlicePairs, noise: NoiseMeasurement | None
) -> Choice:
    """Choose for a volume.

    Args:
        volume: with three spatial axes.
        settings: what the user asked for; a pairing of ns-n2n is also a choice of the method.
        pairs: what the slices are good for.
        noise: of the volume; None where it could not be measured.
    """
    pairing = "neighbor" if settings.pairing == "auto" else settings.pairing
    if settings.method in ("bsn", "diffdenoise"):
        return Choice(settings.method, "blind")
    if settings.method == "ns-n2n":
        return Choice("ns-n2n", pairing)
    if settings.pairing != "auto":
        return Choice("ns-n2n", pairing, f"method ns-n2n: pairing {pairing} was asked for")
    asked = settings.blind_spot is not None or settings.context is not None or bool(settings.companions)
    if settings.network != "auto" or asked:
        return Choice("bsn", "blind", "method bsn: something of a blind-spot network was asked for")
    if noise is None and pairs.close:
        return Choice("ns-n2n", "neighbor", "method ns-n2n: slices can be compared, all else could not be measured")
    slices = 0 if pairs.measurement is None else pairs.measurement.num_slices
    if pairs.independent and pairs.deep and slices >= _FEWEST:
        why = "neighboring slices show the same anatomy, and their noise is independent"
        return Choice("bsn", "blind", f"method bsn: {why}")
    same, change = (False, "") if noise is None else repeats_one_image(volume, noise.sigma)
    if same:
        return Choice("ns-n2n", "repeat", f"method ns-n2n on repeats: {change}")
    if change and settings.companions != 0:
        return Choice(
            "bsn", "blind", "method bsn: other time points show the same anatomy, and their noise is independent"
        )
    seen = f"; {change}" if change else ""
    if pairs.close:
        why = pairs.message or f"there are only {slices} slices"
        return Choice("ns-n2n", "neighbor", f"method ns-n2n: {why}{seen}")
    # what no neighbor tells of a pixel, the stages after the blind-spot network take from the pixel itself
    method = "diffdenoise" if _has_time_for_stages(volume, settings) else "bsn"
    return Choice(method, "blind", f"method {method}, slice by slice: {pairs.message}{seen}")


def _has_time_for_stages(volume: Volume, settings: DenoiseSettings) -> bool:
    # whoever sets the steps of a training means one training
    open_ended = settings.preset != "fast" and settings.iterations is None
    return open_ended and settings.target == "recorrupted" and volume.image.numel() <= _MOST

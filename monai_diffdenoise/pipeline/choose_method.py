# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which method suits a volume."""

from __future__ import annotations

from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.pipeline.slice_pairs import SlicePairs

__all__ = ["choose_method"]


def choose_method(settings: DenoiseSettings, pairs: SlicePairs) -> tuple[str, tuple[str, ...]]:
    """Choose "ns-n2n" or "bsn".

    Args:
        settings: what the user asked for; a pairing of ns-n2n is also a choice of the method.
        pairs: what the slices are good for.

    Returns:
        the method, and why, unless the user named it.
    """
    if settings.method != "auto":
        return settings.method, ()
    if settings.pairing != "auto":
        return "ns-n2n", (f"method ns-n2n: pairing {settings.pairing} was asked for",)
    if settings.network != "auto" or settings.blind_spot is not None or settings.context is not None:
        return "bsn", ("method bsn: something of a blind-spot network was asked for",)
    if not pairs.close:
        return "bsn", (f"method bsn, slice by slice: {pairs.message}",)
    if pairs.independent and pairs.deep:
        return "bsn", ("method bsn: neighboring slices show the same anatomy, and their noise is independent",)
    return "ns-n2n", (f"method ns-n2n: {pairs.message or 'there are few slices'}",)

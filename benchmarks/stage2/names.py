# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What there is to run in the stage 2 benchmark, known without torch."""

from __future__ import annotations

__all__ = ["ALONE", "CASES"]

ALONE = ("first network", "first network, longer")
"""The variants without a second network; "longer" has the CPU time of both trainings together."""


def _names(part: str, kinds: dict[str, tuple[int, ...]]) -> list[str]:
    return [f"{part} {kind} {level}" for kind, levels in kinds.items() for level in levels]


CASES = [
    *_names("toy", {"gaussian": (25, 6), "correlated": (25, 6), "poisson": (25, 6)}),
    *_names("toy", {"gamma": (25, 75), "gamma-stabilized": (25, 75), "poisson-stabilized": (25,), "clipped": (50,)}),
    *_names("volume", {"gaussian": (25, 6), "correlated": (25,)}),
]
"""Part, kind and level; the level is the standard deviation at a signal of 0.5, in 1/255 of the range."""

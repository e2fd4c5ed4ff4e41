# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One plan for a set of volumes, so that one network can learn from all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.plan import Plan, make_plan
from monai_diffdenoise.pipeline.settings import DenoiseSettings

__all__ = ["plan_together"]

_ALIKE = {
    "axis": "--axis",
    "distance": "--distance",
    "context": "--context",
    "blind_spot": "--blind-spot",
    "others": "--axes",
    "network": "--network",
    "stride": "--stride",
    "stabilizer": "--stabilize",
}


def plan_together(volumes: Sequence[Volume], settings: DenoiseSettings) -> list[Plan]:
    """Plan for each volume; where plans differ, all take the more careful choice.

    That is: the axis of most of them, the largest distance and blind spot, the smallest context, one axis.

    Args:
        volumes: with three spatial axes.
        settings: what the user asked for.

    Raises:
        InputError: a volume that cannot be denoised, or volumes that no single network fits. They are named by their
            number, since names of files may be names of patients.
    """
    sizes = [volume.image.shape[volume.slice_axis + 1] > 1 for volume in volumes]
    if len(set(sizes)) > 1:
        flat = sizes.index(False) + 1
        raise InputError(
            f"got single images (volume {flat} of {len(volumes)}) among volumes; expected one kind: fit them apart"
        )
    if settings.companions:
        raise InputError("got companions for a training on many volumes, which takes none: set them to 0")
    settings = replace(settings, companions=0)
    plans = _plans(volumes, settings)
    careful = _careful(plans)
    if careful:
        plans = _plans(volumes, replace(settings, **careful))
    for number, plan in enumerate(plans, start=1):
        for name, flag in _ALIKE.items():
            if _value(plan, name) != _value(plans[0], name):
                raise InputError(
                    f"got {name} {_value(plans[0], name)} for volume 1 and {_value(plan, name)} for volume {number} of "
                    f"{len(plans)}; expected volumes that one network fits: choose it by {flag}, or fit them apart"
                )
    return plans


def _plans(volumes: Sequence[Volume], settings: DenoiseSettings) -> list[Plan]:
    plans = []
    for number, volume in enumerate(volumes, start=1):
        try:
            plans.append(make_plan(volume, settings))
        except InputError as error:
            raise InputError(f"volume {number} of {len(volumes)}, sorted by name: {error}") from error
    return plans


def _value(plan: Plan, name: str) -> Any:
    if name == "stabilizer":
        return "none" if plan.stabilizer is None else plan.stabilizer["kind"]
    return getattr(plan, name)


def _careful(plans: list[Plan]) -> dict[str, Any]:
    """Settings for what the plans differ in."""
    found: dict[str, Any] = {}
    if len({plan.axis for plan in plans}) > 1:
        found["axis"] = Counter(plan.axis for plan in plans).most_common(1)[0][0]
    if len({plan.distance for plan in plans}) > 1:
        found["distance"] = max(plan.distance for plan in plans)
    if len({plan.context for plan in plans}) > 1:
        found["context"] = min(plan.context for plan in plans)
    if len({plan.others for plan in plans}) > 1:
        found["axes"] = "one"
    spots = {plan.blind_spot for plan in plans}
    if len(spots) > 1:
        sides = [0 if spot is None else max(spot) for spot in spots]
        # nothing of the slice is the most that can be left out, but then there must be neighbors
        found["blind_spot"] = 0 if 0 in sides and min(plan.context for plan in plans) else max(*sides, 1)
    return found

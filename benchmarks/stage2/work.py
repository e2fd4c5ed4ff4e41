# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One row of the stage 2 benchmark: a case, a variant and a seed, trained and scored."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.stage2.cases import Case, load_case, scored
from benchmarks.stage2.first import estimate, first_network
from benchmarks.stage2.names import ALONE
from benchmarks.stage2.scores import calibration, fuse, score
from benchmarks.stage2.second import Second
from benchmarks.stage2.variants import VARIANTS

__all__ = ["work"]

_REDRAWS = 4
# CPU seconds of a step of the second network by those of a step of the first one, measured on one thread.
_COST = {0: 1.5, 4: 0.7}


def work(data: Path, out: Path, name: str, variant: str, seed: int, first_steps: int, steps: int) -> dict[str, Any]:
    """Train what is missing, and score."""
    torch.set_num_threads(1)
    case = load_case(name, data, seed)
    if variant in ALONE:
        longer = round(_COST[case.context] * steps) if variant == ALONE[1] else 0
        network, cost = first_network(case, out, first_steps + longer)
        return cost | {"scores": _alone(case, network, bool(longer))}
    first, cost = first_network(case, out, first_steps)
    settings = VARIANTS[variant]
    second = Second(case, first, settings, steps)
    curve, seconds, average = [], 0.0, first
    crops = {crop: second.conditions(case.work(noisy))[0] for crop, noisy in case.noisy.items()}
    seen = [_slices(crops["seen"])]
    for step, seconds, average in second.train():  # noqa: B007
        mean = second.results(average, seen, _noisy(case, "seen"))[0][0]
        curve.append({"step": step, **score(case, "seen", mean)})
    begin = time.process_time()
    scores: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for crop, shown in crops.items():
        scores[crop] = _ways(case, second, average, crop, [_slices(shown)], extra)
        if crop == "seen" and settings.target == "recorrupted":
            scores[crop] |= _recorrupted(case, second, average, extra)
    if settings.levels and not seed:
        extra["levels"] = _levels(case, second, first, average)
    extra["scoring_seconds"] = round(time.process_time() - begin, 1)
    return cost | {"steps": second.steps, "seconds": seconds, "curve": curve, "scores": scores, **extra}


def _slices(shown: torch.Tensor) -> torch.Tensor:
    """The scored ones of (Z, C, X, Y)."""
    return scored(shown.movedim(0, -1)).movedim(-1, 0).contiguous()


def _noisy(case: Case, crop: str) -> torch.Tensor:
    return scored(case.work(case.noisy[crop])).contiguous()


def _alone(case: Case, network: nn.Module, longer: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for crop in case.noisy:
        noisy = _noisy(case, crop)
        blind = scored(estimate(case, network, case.work(case.noisy[crop]))).contiguous()
        results = {"": blind, "fused": fuse(case, noisy, blind)}
        if not longer:
            results["noisy"] = noisy
        # the inverse of a stabilizer expects the noise to be gone
        found[crop] = {
            way: score(case, crop, result)
            for way, result in results.items()
            if way != "noisy" or case.stabilizer is None
        }
    return found


def _ways(
    case: Case, second: Second, network: nn.Module, crop: str, shown: list[torch.Tensor], extra: dict[str, Any]
) -> dict[str, Any]:
    """All ways to ask the trained network for a result, scored; the longer ones on the crop that was trained on."""
    variant, noisy = second.variant, _noisy(case, crop)
    ways: dict[str, dict[str, Any]] = {"": {}}
    if not variant.regression and variant.ways != "start":
        ways["1 step"] = {"num_inference_steps": 1}
        if variant.ways == "all" and crop == "seen" and not case.seed:
            ways |= _MORE
    found, kept = {}, {}
    for way, how in ways.items():
        mean, spread = second.results(network, shown, noisy, how)
        kept[way] = mean[0]
        found[way] = score(case, crop, mean[0])
        if way == "4 pairs":
            extra["calibration"] = calibration(case, crop, mean[0], spread[0])
        if not way and not variant.regression and case.stabilizer is None:
            found["1 draw"] = {"psnr": _single(case, crop, mean[0], spread[0])}
    for way in ("", "4 pairs"):
        if way in kept:
            found[f"{way} fused".strip()] = score(case, crop, fuse(case, noisy, kept[way]))
    return found


_MORE: dict[str, dict[str, Any]] = {
    "4 pairs": {"num_pairs": 4},
    "1 step, 4 pairs": {"num_inference_steps": 1, "num_pairs": 4},
    **{f"{n} steps": {"num_inference_steps": n} for n in (2, 5, 50)},
    "2 independent draws": {"symmetric": False},
    "from pure noise": {"start": "noise"},
    "from pure noise, 1 step": {"num_inference_steps": 1, "start": "noise"},
}


def _recorrupted(case: Case, second: Second, network: nn.Module, extra: dict[str, Any]) -> dict[str, Any]:
    """Results for what the network was trained on: recorrupted inputs, one and the mean over several."""
    again = [_slices(one) for one in second.conditions(case.work(case.noisy["seen"]), _REDRAWS)]
    means = second.results(network, again)[0]
    extra["calibration of recorruptions"] = calibration(case, "seen", means.mean(0), means.std(0))
    return {
        "1 recorruption": score(case, "seen", means[0]),
        f"{_REDRAWS} recorruptions": score(case, "seen", means.mean(0)),
        f"{_REDRAWS} recorruptions fused": score(case, "seen", fuse(case, _noisy(case, "seen"), means.mean(0))),
    }


def _single(case: Case, crop: str, mean: torch.Tensor, spread: torch.Tensor) -> float:
    """PSNR of one draw: those of a pair are off by the error of their mean, plus and minus the spread."""
    clean = scored(case.clean[crop])
    mask = clean > 0.15
    error = (mean - clean)[mask].square().mean() + spread[mask].square().mean()
    return round(float(-10 * torch.log10(error)), 4)


def _levels(case: Case, second: Second, first: nn.Module, network: nn.Module) -> dict[str, Any]:
    """The crop with noise of other levels than the networks were trained on."""
    found = {}
    for share in (0.25, 0.5, 2.0, 4.0):
        noisy = case.draw("seen", 1000 * case.seed + 700, share * case.level)
        shown = [_slices(second.conditions(case.work(noisy))[0])]
        blind = scored(estimate(case, first, case.work(noisy)))
        mean = second.results(network, shown)[0][0]
        found[str(share)] = {
            "noisy": score(case, "seen", scored(case.work(noisy)), noisy),
            "first network": score(case, "seen", blind, noisy),
            "": score(case, "seen", mean, noisy),
        }
    return found

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""NS-N2N or a blind-spot network, trained on many volumes ahead of use."""

from __future__ import annotations

import time
from typing import Any

from torch import nn

from monai_diffdenoise.inferers import PixelShuffled
from monai_diffdenoise.pipeline.choose_candidate import fused_first
from monai_diffdenoise.pipeline.fitted import Fitted, training_facts
from monai_diffdenoise.pipeline.model_folder import Model
from monai_diffdenoise.pipeline.networks import network_arguments
from monai_diffdenoise.pipeline.plan import Plan
from monai_diffdenoise.pipeline.stage import Stages, train_on_all
from monai_diffdenoise.pipeline.zero_shot import ZeroShot

__all__ = ["SINGLE", "fit_single"]

SINGLE = ("ns-n2n", "bsn")
"""Methods of one network, which is run on further volumes as on those that it learned from."""

_STAGE = "training"
_NAMES = {"stack": "blind-stack"}


def fit_single(stages: Stages) -> Fitted:
    """Train one network on all volumes, or go on with it.

    Args:
        stages: whose settings name one of the methods ``SINGLE``.
    """
    start = time.perf_counter()
    network, key = train_on_all(stages, _STAGE)
    seconds = time.perf_counter() - start
    head, s = stages.jobs[0], stages.settings
    # the pixel shuffle is put around it again by what runs it
    bare = network.get_submodule("network") if isinstance(network, PixelShuffled) else network
    model = Model(
        bare,
        _NAMES.get(head.plan.network, head.plan.network),
        network_arguments(head.plan, s, head.pairing),
        head.pairing,
        {**training_facts(stages), "plan": _trained_with(head.plan)},
    )

    def candidates(job: ZeroShot) -> dict[str, nn.Module]:
        return fused_first(job, s.method, job.take(network))

    return Fitted(model, candidates, {_STAGE: head.scores}, {_STAGE: seconds}, {_STAGE: key})


def _trained_with(plan: Plan) -> dict[str, Any]:
    """Settings by which another volume gets the same plan."""
    if plan.pairing != "blind":
        return {"method": plan.method, "pairing": plan.pairing}
    return {
        "method": plan.method,
        "network": plan.network,
        "context": plan.context,
        "blind_spot": 0 if plan.blind_spot is None else max(plan.blind_spot),
        "stride": plan.stride,
        # one that learned along all axes can still be run along one
        "axes": "auto" if plan.others else "one",
    }

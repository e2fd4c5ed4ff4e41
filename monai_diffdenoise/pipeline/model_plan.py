# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The plan for a volume that a trained model denoises, and whether the model was trained for its noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.model_folder import Model
from monai_diffdenoise.pipeline.plan import Plan, make_plan
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.pipeline.zero_shot import ZeroShot

__all__ = ["plan_for_model", "runs_as_trained", "unlike_training"]

# How far beyond the noise of the training a student still does what it learned; sigma itself is known to 10 % or so.
_BEYOND = 1.25


def plan_for_model(volume: Volume, settings: DenoiseSettings, model: Model) -> Plan:
    """Measure a volume as for any method; the model says what it sees of it.

    Args:
        volume: with three spatial axes.
        settings: what the user asked for.
        model: trained, with ``info["stabilizer"]``, the kind of variance stabilization it was trained on, or None, and,
            of a network that is run as in its training, ``info["plan"]``, the settings of that.

    Raises:
        InputError: the volume cannot be denoised by this model.
    """
    if settings.method != "auto":
        raise InputError(f"got a model and method {settings.method}; expected one of them: leave the method out")
    kind = model.info.get("stabilizer")
    stabilize: Literal["on", "off"] = "on" if kind else "off"
    context = getattr(model.pairing, "context", 0)
    plan = make_plan(
        volume, replace(settings, **_asked(volume, settings, model, context), stabilize=stabilize, companions=0)
    )
    found = None if plan.stabilizer is None else plan.stabilizer["kind"]
    if found != kind:
        raise InputError(
            f"got a volume whose noise asks for the stabilization {found or 'none'}, and a model trained with "
            f"{kind or 'none'}: fit a model on volumes like this one, or leave --model out"
        )
    if runs_as_trained(model):
        # what it was trained with was not asked for here
        chosen = tuple(reason for reason in plan.reasons if not reason.endswith("asked for"))
        return replace(plan, reasons=(f"model {model.network_name}: trained already by {plan.method}", *chosen))
    own = f"model {model.network_name}: trained already, sees {context} neighboring slices"
    # a warning or a reason of the blind spot does not concern a network that sees its pixel
    reasons = tuple(reason for reason in plan.reasons if not reason.startswith(("network", "blind to")))
    return replace(plan, method="diffdenoise", network=model.network_name, reasons=(own, *reasons))


def runs_as_trained(model: Model) -> bool:
    """Whether the network is that of a method, to be run as the method runs it; else it is one like the student."""
    return "plan" in model.info


def _asked(volume: Volume, settings: DenoiseSettings, model: Model, context: int) -> dict[str, Any]:
    """Settings that give the volume the plan that the model was trained with."""
    if not runs_as_trained(model):
        return {"method": "bsn", "context": context, "blind_spot": 1, "network": "stack", "axes": "one"}
    asked = dict(model.info["plan"])
    if asked.get("axes") == "auto":
        asked["axes"] = settings.axes
    if asked.get("pairing") == "repeat" and volume.image.shape[0] < 2:
        # it sees one slice alone, as one that was trained on neighbors does
        asked["pairing"] = "neighbor"
    return asked


def unlike_training(job: ZeroShot, model: Model) -> str:
    """A warning where the noise is not as in the training, else an empty string.

    Args:
        job: the run, which measures the noise.
        model: with ``info["noise"]``: ``lowest`` and ``highest`` standard deviation in normalised units, and whether it
            was ``white``.
    """
    trained = model.info.get("noise")
    if not trained:
        return ""
    sigma = job.noise.sigma(job.image.shape[0] // 2)
    low, high = trained["lowest"], trained["highest"]
    if not low / _BEYOND <= sigma <= high * _BEYOND:
        return (
            f"noise of {sigma:.3g} of the range is outside of what the model was trained on ({low:.3g} to {high:.3g}): "
            "the result may be worse than without --model"
        )
    white = job.plan.noise is None or bool(job.plan.noise["in_plane"]["white"])
    if white != trained["white"]:
        kinds = {True: "white", False: "correlated"}
        return f"noise is {kinds[white]} in the plane, and the model was trained on noise that is {kinds[not white]}"
    return ""

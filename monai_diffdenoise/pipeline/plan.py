# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""From measurements to a plan: which slices are paired, and whether they can be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from monai_diffdenoise.analysis import (
    NoiseMeasurement,
    SliceMeasurement,
    choose_axis_and_distance,
    measure_slices,
    pairing_verdict,
)
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.noise_advice import NoiseAdvice, advise, measure_volume
from monai_diffdenoise.pipeline.normalised import normalised
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.transforms.pairing import NeighborSlicePair, Pairing, RepeatPair, SliceBlindPair
from monai_diffdenoise.transforms.scaling import robust_scaling

__all__ = ["Plan", "make_plan"]

_FARTHEST = 1e6
_LARGEST = 1e37
# A run must not take more memory for a look at the noise than for the rest of its work.
_VOXELS = 1 << 19


@dataclass(frozen=True)
class Plan:
    """What will be done to a volume, and why.

    Args:
        method: "ns-n2n".
        pairing: name of the pairing.
        axis: spatial axis along which slices are paired.
        distance: slices from one to its partner.
        reasons: one sentence for each choice.
        warnings: what the user should know.
        measurement: what the pairing rests on; None for repeats, which need no matching.
        noise: what was measured of the noise, as plain types; None where it could not be.
        advice: what the noise asks of a denoiser; None where it could not be measured.
    """

    method: str
    pairing: str
    axis: int
    distance: int
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    measurement: SliceMeasurement | None
    noise: dict[str, Any] | None = None
    advice: NoiseAdvice | None = None

    def make_pairing(self) -> Pairing:
        """The transform that makes the pairs."""
        kinds: dict[str, type[NeighborSlicePair | SliceBlindPair | RepeatPair]] = {
            "neighbor": NeighborSlicePair,
            "slice-blind": SliceBlindPair,
            "repeat": RepeatPair,
        }
        return kinds[self.pairing](axis=self.axis, distance=self.distance)


def make_plan(volume: Volume, settings: DenoiseSettings, noise: NoiseMeasurement | None = None) -> Plan:
    """Measure the volume and decide.

    Args:
        volume: as read.
        settings: what the user asked for.
        noise: measured already; None measures it.

    Raises:
        InputError: when the volume cannot be denoised from its slices or repeats; the sentence says why.
    """
    plan = _plan_pairing(volume, settings)
    if noise is None:
        try:
            noise = measure_volume(volume, _VOXELS)
        except InputError as error:
            # too small to measure as a whole; its slices could be compared all the same
            return replace(plan, warnings=(*plan.warnings, f"noise was not measured: {error}"))
    advice = advise(noise)
    warnings = plan.warnings
    if not noise.certain:
        warnings += ("noise could not be told from anatomy: its measured level is an upper bound",)
    return replace(plan, noise=noise.to_json(), advice=advice, warnings=warnings)


def _plan_pairing(volume: Volume, settings: DenoiseSettings) -> Plan:
    image = volume.image.as_tensor()
    if volume.spatial_dims != 3:
        raise InputError(
            f"got a 2D image of {' x '.join(map(str, image.shape[1:]))} pixels; NS-N2N learns from neighboring slices "
            "and needs a volume of at least 3: give the whole volume or series"
        )
    _refuse_outliers(volume)
    method = "ns-n2n"
    reasons = []
    if settings.method == "auto":
        reasons.append("method ns-n2n: the only one so far; its needs were measured")
    if settings.pairing == "repeat":
        return _plan_repeats(volume, settings, reasons)
    # squares of very large or small units would leave float32
    typical = _typical_channel(image)
    scaling = robust_scaling(image[typical])
    measured = normalised(image[typical : typical + 1], scaling, volume.slice_axis)[0]
    depth_axis = settings.axis if settings.axis is not None else volume.slice_axis
    if image.shape[depth_axis + 1] < 2:
        _, message = pairing_verdict(measure_slices(measured, depth_axis))
        raise InputError(message)
    axis, distance, why = choose_axis_and_distance(
        measured, volume.spacing, depth_axis, axis=settings.axis, distance=settings.distance
    )
    measurement = _in_units(measure_slices(measured, axis, distance), scaling.scale)
    good, message = pairing_verdict(measurement)
    if not good:
        raise InputError(message)
    reasons.append(why)
    return Plan(method, settings.pairing, axis, distance, tuple(reasons), (message,) if message else (), measurement)


def _refuse_outliers(volume: Volume) -> None:
    """A voxel far beyond all others is damage: its square would not be a number, and no loss could be computed."""
    image = volume.image.as_tensor()
    scale = robust_scaling(image[_typical_channel(image)]).scale
    low, high = volume.value_range
    if max(-low, high) > _LARGEST:
        raise InputError(
            f"got values from {low:.3g} to {high:.3g}: expected at most {_LARGEST:g} in size, or float32 cannot "
            "compute with them; the file is damaged or needs another scale"
        )
    if (high - low) / scale > _FARTHEST:
        raise InputError(
            f"got values from {low:.3g} to {high:.3g}, where most lie within {scale:.3g} of each other: expected at "
            f"most {_FARTHEST:g} times that; a few voxels are damaged, set them to NaN or clip them"
        )


def _in_units(measurement: SliceMeasurement, scale: float) -> SliceMeasurement:
    """A measurement of the normalised volume in the units of the input."""
    names = ("sigma", "sigma_slice_difference", "sigma_second_difference", "sigma_in_plane", "guide_noise")
    found = {name: getattr(measurement, name) for name in names}
    return replace(measurement, **{name: value * scale for name, value in found.items() if value is not None})


def _typical_channel(image: torch.Tensor) -> int:
    """The time point that stands for a series: its middle, so that neither a first b0 nor a dummy scan does."""
    return image.shape[0] // 2


def _plan_repeats(volume: Volume, settings: DenoiseSettings, reasons: list[str]) -> Plan:
    count = volume.image.shape[0]
    if count < 2:
        raise InputError(
            f"got {count} time point; pairing repeat needs a 4D series with at least 2 repeats of one image: "
            "choose pairing neighbor"
        )
    if volume.channels != "time":
        raise InputError(
            f"got {count} components of one value (a vector or a color); pairing repeat needs repeats of one image: "
            "choose pairing neighbor"
        )
    axis = settings.axis if settings.axis is not None else volume.slice_axis
    reasons.append(f"pairing repeat: asked for; {count} time points are taken as repeats of one image")
    return Plan("ns-n2n", "repeat", axis, 1, tuple(reasons), (), None)

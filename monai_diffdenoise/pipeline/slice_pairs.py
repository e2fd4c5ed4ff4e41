# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What neighboring slices of a volume are good for: along which axis, at which distance, and whether at all."""

from __future__ import annotations

from dataclasses import dataclass, replace

from monai_diffdenoise.analysis import (
    SliceMeasurement,
    choose_axis_and_distance,
    measure_slices,
    pairing_verdict,
)
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.normalised import normalised
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.transforms.scaling import robust_scaling

__all__ = ["SlicePairs", "look_at_slices", "plan_repeats"]

# From here on ``pairing_verdict`` warns.
_CORRELATED = 0.1


@dataclass(frozen=True)
class SlicePairs:
    """The neighbors of a slice.

    Args:
        axis: spatial axis along which slices are stacked.
        distance: slices from one to its partner.
        close: whether slices show the same anatomy, so that one can teach the other.
        message: why they do not; or, where they do, a warning, or nothing.
        reason: why this axis and distance; empty where nothing was chosen.
        measurement: what this rests on; None for less than two slices.
    """

    axis: int
    distance: int
    close: bool
    message: str
    reason: str = ""
    measurement: SliceMeasurement | None = None

    @property
    def deep(self) -> bool:
        """Whether there are slices on both sides of one."""
        return self.measurement is not None and self.measurement.num_slices > 2 * self.distance

    @property
    def independent(self) -> bool:
        """Whether the noise of neighbors at this distance is independent."""
        correlation = None if self.measurement is None else self.measurement.noise_correlation
        return self.close and (correlation is None or correlation < _CORRELATED)


def look_at_slices(volume: Volume, settings: DenoiseSettings) -> SlicePairs:
    """Measure the middle time point's slices.

    Args:
        volume: with three spatial axes.
        settings: ``axis`` and ``distance``, where the user chose them.
    """
    image = volume.image.as_tensor()
    axis = settings.axis if settings.axis is not None else volume.slice_axis
    # the time point that stands for a series: its middle, so that neither a first b0 nor a dummy scan does
    typical = image.shape[0] // 2
    # squares of very large or small units would leave float32
    scaling = robust_scaling(image[typical])
    measured = normalised(image[typical : typical + 1], scaling, volume.slice_axis)[0]
    if image.shape[axis + 1] < 2:
        _, message = pairing_verdict(measure_slices(measured, axis))
        return SlicePairs(axis, 1, False, message)
    axis, distance, why = choose_axis_and_distance(
        measured, volume.spacing, axis, axis=settings.axis, distance=settings.distance
    )
    measurement = _in_units(measure_slices(measured, axis, distance), scaling.scale)
    close, message = pairing_verdict(measurement)
    return SlicePairs(axis, distance, close, message, why, measurement)


def _in_units(measurement: SliceMeasurement, scale: float) -> SliceMeasurement:
    """A measurement of the normalised volume in the units of the input."""
    names = ("sigma", "sigma_slice_difference", "sigma_second_difference", "sigma_in_plane", "guide_noise")
    found = {name: getattr(measurement, name) for name in names}
    return replace(measurement, **{name: value * scale for name, value in found.items() if value is not None})


def plan_repeats(volume: Volume, settings: DenoiseSettings) -> tuple[int, str]:
    """The axis of the slices of a series of repeats, and the reason for pairing its time points.

    Raises:
        InputError: it is no series of repeats.
    """
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
    return axis, f"pairing repeat: asked for; {count} time points are taken as repeats of one image"

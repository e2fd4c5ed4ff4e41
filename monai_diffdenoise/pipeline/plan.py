# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""From measurements to a plan: the method, what it learns from, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from monai_diffdenoise.analysis import NoiseMeasurement, SliceMeasurement
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.blind_plan import plan_blind_spot
from monai_diffdenoise.pipeline.choose_method import choose_method
from monai_diffdenoise.pipeline.choose_stabilizer import choose_stabilizer
from monai_diffdenoise.pipeline.companions import count_companions
from monai_diffdenoise.pipeline.damage import refuse_outliers
from monai_diffdenoise.pipeline.further_axes import further_axes
from monai_diffdenoise.pipeline.noise_advice import NoiseAdvice, advise, measure_volume
from monai_diffdenoise.pipeline.planes import as_stack
from monai_diffdenoise.pipeline.presets import PRESETS
from monai_diffdenoise.pipeline.run_sigma import run_sigma
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.pipeline.slice_pairs import SlicePairs, look_at_slices, plan_repeats
from monai_diffdenoise.transforms.blind_pairing import BlindSpotPair
from monai_diffdenoise.transforms.pairing import NeighborSlicePair, Pairing, RepeatPair, SliceBlindPair

__all__ = ["Plan", "make_plan"]

# A run must not take more memory for a look at the noise than for the rest of its work.
_VOXELS = 1 << 19


@dataclass(frozen=True)
class Plan:
    """What will be done to a volume, and why.

    Args:
        method: "ns-n2n", "bsn" or "diffdenoise".
        pairing: "neighbor", "slice-blind", "repeat" or "blind".
        axis: spatial axis along which slices are stacked.
        distance: slices from one to its partner, or to the next of the context.
        reasons: one sentence for each choice.
        warnings: what the user should know.
        measurement: what the pairing of slices rests on; None where they were not compared.
        noise: what was measured of the noise, as plain types; None where it could not be.
        advice: what the noise asks of a denoiser; None where it could not be measured.
        network: "residual", "stack", "puca" or "lg-bpn".
        context: neighboring slices that a blind-spot network sees whole.
        companions: other time points of the series that it sees whole.
        blind_spot: height and width in pixels of what a blind-spot network does not see; None for the whole slice.
        others: further axes along which the network learns and denoises.
        stride: of the network's pixel shuffle; 1 for none.
        fusion: "local", or "bands" of frequency for correlated noise.
        stabilizer: kind and parameters of the variance stabilization; None for none.
        sigma: noise standard deviation that the run works with, in input units; None where it could not be measured.
        matched: whether slices at ``distance`` show the same anatomy, so that they can be compared.
        local_noise: whether fusion takes the level of the noise place by place from them: their differences hold
            structure too, so only where it is known to vary.
        noise_gain: share of the noise of a voxel that the trained network lets through, which fusion allows for.
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
    network: str = "residual"
    context: int = 0
    blind_spot: tuple[int, int] | None = (1, 1)
    others: tuple[int, ...] = ()
    stride: int = 1
    fusion: str = "local"
    stabilizer: dict[str, Any] | None = None
    sigma: float | None = None
    matched: bool = True
    local_noise: bool = False
    noise_gain: float = 0.0
    companions: int = 0

    def make_pairing(self) -> Pairing:
        """The transform that makes the pairs."""
        if self.pairing == "blind":
            return BlindSpotPair(self.axis, self.distance, self.context, self.companions)
        kinds: dict[str, type[NeighborSlicePair | SliceBlindPair | RepeatPair]] = {
            "neighbor": NeighborSlicePair,
            "slice-blind": SliceBlindPair,
            "repeat": RepeatPair,
        }
        return kinds[self.pairing](axis=self.axis, distance=self.distance)

    @property
    def preset_of(self) -> str:
        """Whose presets it takes."""
        # the first stage of diffdenoise is bsn
        return next(name for name in (self.network, self.method, "bsn") if name in PRESETS)

    @property
    def axes(self) -> tuple[int, ...]:
        """All axes along which the network sees slices."""
        return (self.axis, *self.others)

    @property
    def summary(self) -> str:
        """What will be done, in one line."""
        if self.pairing != "blind":
            return f"{self.method}, {self.pairing} pairs along axis {self.axis}, distance {self.distance}"
        axes = f"axis {self.axis}" if not self.others else f"axes {', '.join(map(str, self.axes))}"
        seen = f"with {self.context} neighbors along {axes}, distance {self.distance}"
        if self.network == "nafnet":
            return f"{self.method}, network nafnet, {seen if self.context else 'slice by slice'}"
        seen = seen if self.context else "slice by slice"
        seen += f", and {self.companions} other time points" if self.companions else ""
        spot = "its slice" if self.blind_spot is None else f"{self.blind_spot[0]} x {self.blind_spot[1]} pixels"
        return f"{self.method}, network {self.network}, blind to {spot}, {seen}"


def make_plan(volume: Volume, settings: DenoiseSettings, noise: NoiseMeasurement | None = None) -> Plan:
    """Measure the volume and decide.

    Args:
        volume: as read, with two or three spatial axes.
        settings: what the user asked for.
        noise: measured already; None measures it.

    Returns:
        each choice, with a sentence for it.

    Raises:
        InputError: when the volume cannot be denoised as asked; the sentence says why.
    """
    volume = as_stack(volume)
    refuse_outliers(volume)
    if settings.pairing == "repeat":
        axis, reason = plan_repeats(volume, settings)
        pairs = SlicePairs(axis, 1, False, "", reason)
    else:
        pairs = look_at_slices(volume, settings)
    unknown = ""
    if noise is None:
        try:
            noise = measure_volume(volume, _VOXELS, pairs.axis)
        except InputError as error:
            # too small to measure as a whole; its slices could be compared all the same
            unknown = str(error)
    advice = None if noise is None else advise(noise)
    choice = choose_method(volume, settings, pairs, noise)
    if choice.pairing in ("neighbor", "slice-blind") and not pairs.close:
        raise InputError(pairs.message)
    if choice.pairing == "blind":
        if noise is None or advice is None:
            raise InputError(unknown)
        plan = replace(_blind(volume, settings, pairs, noise, advice), method=choice.method)
    elif choice.pairing == "repeat":
        plan = Plan("ns-n2n", "repeat", pairs.axis, 1, (), (), None)
    else:
        warnings = (pairs.message,) if pairs.message else ()
        plan = Plan("ns-n2n", choice.pairing, pairs.axis, pairs.distance, (), warnings, pairs.measurement)
    first = [reason for reason in (choice.reason, "" if choice.pairing == "blind" else pairs.reason) if reason]
    return _with_noise(replace(plan, reasons=(*first, *plan.reasons)), settings, pairs, noise, advice, unknown)


def _with_noise(
    plan: Plan,
    settings: DenoiseSettings,
    pairs: SlicePairs,
    noise: NoiseMeasurement | None,
    advice: NoiseAdvice | None,
    unknown: str,
) -> Plan:
    """What the noise asks of every method: its strength, stabilization, fusion."""
    simple = None if pairs.measurement is None else pairs.measurement.sigma
    if noise is None or advice is None:
        return replace(plan, warnings=(*plan.warnings, f"noise was not measured: {unknown}"), sigma=simple)
    uncertain = "noise could not be told from anatomy: its measured level is an upper bound"
    stabilizer, why = choose_stabilizer(settings, noise, advice)
    by_bands = noise.certain and not noise.spectrum.white
    bands = "fusion by bands of frequency: noise is correlated in the plane" if by_bands else ""
    return replace(
        plan,
        reasons=(*plan.reasons, *(reason for reason in (why, bands) if reason)),
        warnings=plan.warnings if noise.certain else (*plan.warnings, uncertain),
        noise=noise.to_json(),
        advice=advice,
        fusion="bands" if by_bands else "local",
        stabilizer=stabilizer,
        sigma=run_sigma(noise, simple if pairs.close else None),
        local_noise=pairs.close and noise.certain and noise.variation is not None and noise.variation.varies,
    )


def _blind(
    volume: Volume, settings: DenoiseSettings, pairs: SlicePairs, noise: NoiseMeasurement, advice: NoiseAdvice
) -> Plan:
    companions, why_companions = count_companions(volume, settings, noise.sigma)
    chosen = plan_blind_spot(settings, pairs, advice, companions)
    fits = chosen.context > 0 and chosen.blind_spot == (1, 1) and noise.spectrum.white
    others, why = further_axes(volume, settings, pairs, fits)
    further = (reason for reason in (why_companions, why) if reason)
    reasons = (*((pairs.reason,) if chosen.context else ()), *chosen.reasons, *further)
    return Plan(
        "bsn",
        "blind",
        pairs.axis,
        pairs.distance,
        reasons,
        chosen.warnings,
        pairs.measurement,
        network=chosen.network,
        context=chosen.context,
        blind_spot=chosen.blind_spot,
        others=others,
        stride=chosen.stride,
        matched=pairs.close,
        companions=companions,
    )

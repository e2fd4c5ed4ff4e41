# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What the measured noise asks of a denoiser: blind spot, stride, variance stabilization, fusion."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch

from monai_diffdenoise.analysis import NoiseMeasurement, measure_noise
from monai_diffdenoise.data.volume import Volume

__all__ = ["NoiseAdvice", "advise", "measure_volume"]

_CORRELATED = 0.1
_LARGEST_STRIDE = 5
# Of the signal over the noise, where magnitude noise is Gaussian enough to be left as it is.
_RICIAN_MATTERS = 4.0


@dataclass(frozen=True)
class NoiseAdvice:
    """One choice for each part of a denoiser, with the sentence that explains it.

    Args:
        blind_spot_network: "puca" for noise that is white in the plane, "lg-bpn" for correlated noise.
        blind_spot: height and width in pixels of what a blind-spot network must not see, odd numbers.
        stride: of the pixel shuffle that breaks the correlation up; 1 for none.
        stabilizer: kind and parameters of the variance stabilization, as
            :func:`~monai_diffdenoise.transforms.make_stabilizer` takes them; None for noise of even strength.
        fusion: whether the estimate should be fused with the noisy image.
        reasons: for each of the choices, by its name.
        correlation: the larger one of the correlations with the next pixel along both axes of the slice.
    """

    blind_spot_network: str
    blind_spot: tuple[int, int]
    stride: int
    stabilizer: dict[str, Any] | None
    fusion: bool
    reasons: dict[str, str] = field(default_factory=dict)
    correlation: float = 0.0


def measure_volume(volume: Volume, voxels: int = 1 << 23, axis: int | None = None) -> NoiseMeasurement:
    """Measure the noise of a volume's middle time point.

    Args:
        volume: as read.
        voxels: about how many of a large volume are looked at; each takes some 60 bytes of memory.
        axis: spatial axis of the slices; None: the volume's own.

    Raises:
        InputError: there is no noise, or the volume is too small to measure.
    """
    own = volume.slice_axis if volume.spatial_dims == 3 else -1
    return measure_noise(
        volume.image.as_tensor(), own if axis is None else axis, repeats=volume.channels == "time", voxels=voxels
    )


def advise(noise: NoiseMeasurement) -> NoiseAdvice:
    """Turn a measurement into choices.

    Args:
        noise: of the image that is to be denoised.
    """
    reasons = {}
    spectrum = noise.spectrum
    lags = f"lag 1 {spectrum.lag(1, 0):.2f} and {spectrum.lag(0, 1):.2f}"
    rows, columns = spectrum.lengths
    if spectrum.white:
        network, spot, stride = "puca", (1, 1), 1
        reasons["blind_spot_network"] = f"puca, one pixel blind: noise is white in the plane ({lags})"
        reasons["stride"] = "no pixel shuffle: there is no correlation to break up"
    else:
        network, spot = "lg-bpn", (2 * rows - 1, 2 * columns - 1)
        stride = min(max(rows, columns), _LARGEST_STRIDE)
        reasons["blind_spot_network"] = (
            f"lg-bpn, {spot[0]} x {spot[1]} pixels blind: noise is correlated in the plane ({lags}), under "
            f"{_CORRELATED:g} from {rows} and {columns} pixels on"
        )
        reasons["stride"] = (
            f"pixel shuffle of {stride}: the distance at which noise is independent, {_LARGEST_STRIDE} at most"
        )
    stabilizer, reasons["stabilizer"] = _stabilizer(noise)
    reasons["fusion"] = "fusion on: it gives back what was removed beyond the measured noise"
    correlation = max(abs(spectrum.lag(1, 0)), abs(spectrum.lag(0, 1)))
    return NoiseAdvice(network, spot, stride, stabilizer, True, reasons, correlation)


def _stabilizer(noise: NoiseMeasurement) -> tuple[dict[str, Any] | None, str]:
    law, p = noise.family, noise.family.parameters
    if law.name == "gaussian":
        return None, "no variance stabilization: noise does not depend on the signal"
    if law.name == "gamma":
        floor = max(0.01 * float(noise.curve.mean.max()), torch.finfo(torch.float32).tiny)
        return {"kind": "log-gamma", "looks": p["looks"], "floor": floor}, (
            f"logarithm: noise is proportional to the signal ({p['looks']:.3g} looks)"
        )
    if law.name == "poisson-gaussian":
        return {"kind": "anscombe", "gain": p["gain"], "offset": p["offset"], "sigma": p["sigma"]}, (
            f"generalized Anscombe: the noise variance grows with the signal (gain {p['gain']:.3g})"
        )
    signal = float(noise.curve.mean.max()) / p["sigma"]
    coils = int(p.get("coils", 1))
    darkest = float(noise.curve.mean.min()) / p["sigma"]
    if darkest > _RICIAN_MATTERS + math.sqrt(2 * coils):
        return None, f"no variance stabilization: the signal is over {darkest:.0f} times the noise everywhere"
    return {"kind": "rician", "sigma": p["sigma"], "coils": coils}, (
        f"Rician stabilization: magnitude noise near its floor (signal up to {signal:.0f} times the noise)"
    )

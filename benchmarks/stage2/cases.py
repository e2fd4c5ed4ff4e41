# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The noisy volumes of the stage 2 benchmark: crops of the ICBM152 template and noise whose law everyone is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.transforms.noise import GaussianKernel, NoiseModel, noise_model
from monai_diffdenoise.transforms.recorrupt import (
    GammaRecorruption,
    GaussianRecorruption,
    PoissonRecorruption,
    Recorruption,
)
from monai_diffdenoise.transforms.stabilize import AnscombeStabilizer, LogGammaStabilizer, Stabilizer

__all__ = ["Case", "load_case", "scored"]

_FULL, _MID = 90.739, 0.5
_TOY = {"seen": (55, 40, 30, 80, 80, 48), "other": (55, 136, 30, 80, 80, 48)}
# the crop of benchmarks.cases
_VOLUME = {"seen": (55, 80, 44, 96, 96, 40)}


@dataclass(frozen=True, eq=False)
class Case:
    """Noisy crops (1, X, Y, Z) and what is known of their noise.

    Args:
        name: one of :data:`benchmarks.stage2.names.CASES`.
        clean: by crop, for the scores alone: "seen" is trained on, "other", where there is one, is not.
        noisy: by crop, in the units of ``clean``.
        model: the law of the noise.
        stabilizer: applied before everything else, or None.
        seed: of the noise.
    """

    name: str
    clean: dict[str, torch.Tensor]
    noisy: dict[str, torch.Tensor]
    model: NoiseModel
    stabilizer: Stabilizer | None
    seed: int

    @property
    def kind(self) -> str:
        return self.name.split()[1].split("-")[0]

    @property
    def level(self) -> float:
        return int(self.name.split()[2]) / 255

    @property
    def context(self) -> int:
        """Neighboring slices that the first network sees."""
        return 4 if self.name.startswith("volume") else 0

    @property
    def blind_spot(self) -> int | None:
        """Of the first network; None leaves the slice out. Noise filtered by 0.8 pixels is correlated up to 2."""
        if self.kind != "correlated":
            return 1
        return None if self.context else 5

    @property
    def full(self) -> float:
        """What a signal of 1 becomes in the units that networks work in, before it is divided by just this."""
        return 1.0 if self.stabilizer is None else float(self.stabilizer.forward(torch.ones(1)))

    @property
    def sigma(self) -> float:
        """Of the noise, in the units that networks work in; at a signal of 0.5 where it depends on the signal."""
        return self.level if self.stabilizer is None else 1 / self.full

    def work(self, noisy: torch.Tensor) -> torch.Tensor:
        """To the units that networks work in."""
        return noisy if self.stabilizer is None else self.stabilizer.forward(noisy) / self.full

    def back(self, result: torch.Tensor) -> torch.Tensor:
        """From these units to those of ``clean``, unbiased."""
        return result if self.stabilizer is None else self.stabilizer.inverse(result * self.full)

    def variance(self, estimate: torch.Tensor) -> torch.Tensor | float:
        """Of the noise, in the units that networks work in."""
        if self.stabilizer is not None or self.kind in ("gaussian", "correlated", "clipped"):
            return self.sigma**2
        return self.model.variance(estimate.clamp(min=1e-3)[None])[0]

    def recorruption(self, tau: float) -> Recorruption:
        """Splits what networks work on."""
        if self.stabilizer is None and self.kind == "poisson":
            return PoissonRecorruption(tau=tau, gain=self.model.gain)  # type: ignore[attr-defined]
        if self.stabilizer is None and self.kind == "gamma":
            return GammaRecorruption(tau=tau, looks=self.model.looks)  # type: ignore[attr-defined]
        return GaussianRecorruption(tau=tau, sigma=self.sigma, texture=self.model.texture)

    def draw(self, crop: str, seed: int, level: float | None = None) -> torch.Tensor:
        """The crop with other noise, in the units of ``clean``."""
        model = self.model if level is None else _model(self.kind, level)
        noisy = model.sample(self.clean[crop], torch.Generator().manual_seed(seed))
        return noisy.clamp(min=0.0) if self.kind == "clipped" else noisy


def _model(kind: str, level: float) -> NoiseModel:
    return noise_model("gaussian" if kind == "clipped" else kind, level, mid=_MID, width=0.8)


def _stabilizer(kind: str, model: NoiseModel) -> Stabilizer | None:
    if kind == "gamma-stabilized":
        return LogGammaStabilizer(model.looks, 0.05)  # type: ignore[attr-defined]
    if kind == "poisson-stabilized":
        return AnscombeStabilizer(model.gain, 0.0, 0.0)  # type: ignore[attr-defined]
    return None


def load_case(name: str, data: Path, seed: int) -> Case:
    """Read the template and put noise on its crops; the seed draws it."""
    part, kind, level = name.split()
    whole = read_volume(data / "B_clean_icbm152_t1_uint8.nii.gz").image.as_tensor()[0] / _FULL
    clean = {}
    for crop, (x, y, z, width, height, depth) in (_TOY if part == "toy" else _VOLUME).items():
        clean[crop] = whole[x : x + width, y : y + height, z : z + depth][None].clamp(min=0.0).contiguous()
    model = _model(kind.split("-")[0], int(level) / 255)
    case = Case(name, clean, {}, model, _stabilizer(kind, model), seed)
    assert kind != "correlated" or isinstance(model.texture, GaussianKernel)
    case.noisy.update({crop: case.draw(crop, 1000 * seed + k) for k, crop in enumerate(clean)})
    return case


def scored(volume: torch.Tensor) -> torch.Tensor:
    """The slices (1, X, Y, D) of a volume that are scored."""
    return volume[..., 6::12]

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""From a data set to a folder of targets, and from both to what a student is trained on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_diffdenoise.engines import (
    ProgressDisplay,
    SRDSTargets,
    TargetCache,
    condition_volumes,
    generate_targets,
)
from monai_diffdenoise.inferers import ConditionalMeanInferer, SRDSInferer, SRDSVolumeInferer, VolumeSliceInferer
from monai_diffdenoise.pipeline.condition_data import weights_digest
from monai_diffdenoise.pipeline.training_volumes import prepare_volumes
from monai_diffdenoise.transforms import BlindSpotPair, ConditionedPair

__all__ = ["TargetGeneration", "prepare_targets"]


@dataclass
class TargetGeneration:
    """Program ``generating`` of bundle diffusion.

    Args:
        dataset_dir: see :func:`~monai_diffdenoise.data.volume_paths`.
        targets_dir: gets the targets; what is there already is not made again.
        first_network: makes the conditions.
        network: the diffusion model.
        sampler: how it is sampled.
        show_noisy: as in training.
        weigh: see :class:`~monai_diffdenoise.engines.SRDSTargets`.
        context: neighboring slices that the first network sees.
        series: which series of a DICOM folder that holds several.
        axis: slice axis 0, 1 or 2; None: the one that slices were acquired along.
        distance: slices from one to the next of the context; None measures it.
        batch_size: slices a pass of the first network.
        tile: largest side of what it sees at once, in pixels.
        rank: of this process.
        world_size: number of processes.
    """

    dataset_dir: str | os.PathLike[str]
    targets_dir: str | os.PathLike[str]
    first_network: nn.Module
    network: nn.Module
    sampler: SRDSInferer | ConditionalMeanInferer
    show_noisy: bool = True
    weigh: bool = False
    context: int = 4
    series: str | None = None
    axis: int | None = None
    distance: int | None = None
    batch_size: int = 8
    tile: int = 512
    rank: int = 0
    world_size: int = 1

    def identity(self) -> str:
        """Digest of what a target depends on beside its volume."""
        # a tensor's repr leaves most of it out
        chosen = {k: v.tolist() if isinstance(v, torch.Tensor) else v for k, v in vars(self.sampler).items()}
        chosen.pop("batch_size")
        told = (weights_digest(self.first_network), weights_digest(self.network), self.show_noisy, self.weigh)
        return hashlib.sha256(repr((*told, self.context, sorted(chosen.items()))).encode()).hexdigest()

    def run(self) -> None:
        """Make the targets that are missing.

        Raises:
            InputError: data that cannot be read, targets of other weights or settings, or no room.
        """
        cache = TargetCache(Path(self.targets_dir), self.identity())
        volumes = prepare_volumes(
            self.dataset_dir, self.series, "blind", axis=self.axis, distance=self.distance, context=self.context
        )
        first = VolumeSliceInferer(BlindSpotPair(context=self.context), self.batch_size, self.tile)
        with ProgressDisplay(self.rank == 0) as display:
            inferer = SRDSVolumeInferer(
                self.sampler,
                ConditionedPair("recorrupted", show_noisy=self.show_noisy),
                lambda done, total: display("slices", done, total),
            )
            sample = SRDSTargets(self.network, inferer, self.weigh)

            def make(volume: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
                return sample(condition_volumes([volume], self.first_network, first)[0])

            generate_targets(volumes, make, cache, self.rank, self.world_size, display)


def prepare_targets(
    dataset_dir: str | os.PathLike[str],
    targets_dir: str | os.PathLike[str],
    series: str | None = None,
    context: int = 4,
    axis: int | None = None,
    distance: int | None = None,
) -> list[dict[str, Any]]:
    """Read a data set and the targets that were made for it.

    Args:
        dataset_dir: as in the generation.
        targets_dir: what :class:`TargetGeneration` wrote.
        series: as in the generation, like ``context``, ``axis`` and ``distance``.
        context: of the first network.
        axis: slice axis.
        distance: of the context.

    Returns:
        dictionaries with normalised ``image``, ``targets`` and ``weight``, slices along the last axis.

    Raises:
        InputError: data that cannot be read, or a volume without a target.
    """
    cache = TargetCache(Path(targets_dir))
    volumes = prepare_volumes(dataset_dir, series, "blind", axis=axis, distance=distance, context=context)
    return [{**volume, **cache.read(cache.key(volume["image"]))} for volume in volumes]

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What each stage of a run made: some slices for the checks, and the whole where a report shows it."""

from __future__ import annotations

import torch

from monai_diffdenoise.data.storage import allocate, require_room, runs
from monai_diffdenoise.pipeline.zero_shot import ZeroShot
from monai_diffdenoise.report.sample import sample_voxels, slice_sample

__all__ = ["StageImages"]


class StageImages:
    """The images of the stages, before fusion, in input units.

    Args:
        job: the run.
        whole: keep the images too; large ones lie in scratch files, as all large arrays do.
    """

    def __init__(self, job: ZeroShot, whole: bool) -> None:
        self.job, self.whole, self.voxels = job, whole, sample_voxels()
        if whole and job.settings.method == "diffdenoise":
            require_room([4 * job.work.numel()] * 3)
        #: name to slices (N, H, W), in the order of the run
        self.slices: dict[str, torch.Tensor] = {}
        #: (N, H, W) share that fusion put back of what the last of them removed; None where nothing was
        self.put_back: torch.Tensor | None = None
        #: name to image (C, X, Y, Z)
        self.images: dict[str, torch.Tensor] = {}

    def add(self, name: str, image: torch.Tensor, checked: bool = True) -> None:
        """Take over what a stage made.

        Args:
            name: of the stage.
            image: (C, X, Y, Z), in the units of ``job.work``; it may change afterwards.
            checked: whether the result rests on it, so that the checks are asked about it.
        """
        axis, stabilizer = self.job.slice_axis, self.job.stabilizer
        if checked:
            sample = slice_sample(image, axis, self.voxels)
            self.slices[name] = sample.clone() if stabilizer is None else stabilizer.inverse(sample, 0.0)
        if self.whole:
            kept = self.images[name] = allocate(image.shape, axis)
            for index in runs(image, axis):
                kept[index] = image[index] if stabilizer is None else stabilizer.inverse(image[index], 0.0)

    def fused(self, share: torch.Tensor) -> None:
        """Take over the share of what was put back, (C, X, Y, Z), 0 to 1; it may change afterwards."""
        self.put_back = slice_sample(share, self.job.slice_axis, self.voxels).clone()

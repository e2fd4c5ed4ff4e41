# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A data set on the disk, measured, scaled and matched: what the bundles train and evaluate on."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch

from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.data.volume_list import open_volume, volume_paths
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.plan import make_plan
from monai_diffdenoise.pipeline.planes import as_stack
from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve
from monai_diffdenoise.pipeline.zero_shot import ZeroShot

__all__ = ["fingerprint", "prepare_volumes"]


def prepare_volumes(
    dataset_dir: str | os.PathLike[str],
    series: str | None = None,
    pairing: Literal["neighbor", "blind"] = "neighbor",
    **settings: Any,
) -> list[dict[str, torch.Tensor]]:
    """Read all volumes of a data set and make them ready for :class:`~monai_diffdenoise.data.PairDataset`.

    Each volume is planned for by itself, as ``diffdenoise denoise`` does, and then turned so that neighbors along the
    last axis are the pairs of its plan: the slice axis goes last, and for a distance of d the stack is taken apart
    into d stacks of every d-th slice. So one pairing with its defaults serves them all.

    Args:
        dataset_dir: see :func:`~monai_diffdenoise.data.volume_paths`.
        series: which series of a DICOM folder that holds several.
        pairing: "neighbor" for pairs of next slices (NS-N2N); "blind" for blind-spot networks, which need no weights
            and also take 2D images and slices that have nothing in common.
        settings: of :class:`~monai_diffdenoise.pipeline.DenoiseSettings`: ``axis``, ``distance``, ``tau``,
            ``training_volumes``, ``context``; the rest has no influence here. With a ``context``, volumes with too few
            slices for it are refused.

    Returns:
        dictionaries with normalised ``image`` and, for neighbors, ``weight``, both (1, X, Y, slices), all in memory.

    Raises:
        InputError: no volume, or one that cannot be read or not be denoised from its slices. It is named by its number,
            since names of files may be names of patients.
    """
    method: Literal["ns-n2n", "bsn"] = "bsn" if pairing == "blind" else "ns-n2n"
    # what a bundle cannot undo, or does not repeat when it denoises, is left out
    chosen = resolve(DenoiseSettings(**{"axes": "one", **settings, "method": method, "stabilize": "off"}), method)
    paths = volume_paths(dataset_dir)
    prepared = []
    for number, path in enumerate(paths, start=1):
        try:
            prepared += _prepare(open_volume(path, None if series is None else str(series)), chosen)
        except InputError as error:
            if len(paths) == 1:
                raise
            raise InputError(
                f"volume {number} of {len(paths)} in {dataset_dir}, sorted by name: {error}; fix it or take it out"
            ) from error
    return prepared


def _prepare(volume: Volume, settings: DenoiseSettings) -> list[dict[str, torch.Tensor]]:
    volume = as_stack(volume)
    plan = make_plan(volume, replace(settings, companions=0))
    for warning in plan.warnings:
        logging.getLogger(__name__).warning("%s", warning)
    job = ZeroShot(
        volume.image.as_tensor(),
        plan,
        replace(settings, device="cpu"),
        torch.device("cpu"),
        slice_axis=volume.slice_axis,
    )
    stacks = []
    for ready in job.training_volumes():
        arrays = {"image": ready["scaling"].apply(ready["image"])}
        if "weight" in ready:
            arrays["weight"] = ready["weight"].float()
        last = {name: value.movedim(plan.axis + 1, -1) for name, value in arrays.items()}
        # slices without context are no neighbors of each other
        distance = plan.distance if plan.method == "ns-n2n" or plan.context else 1
        fewest = 2 if plan.method == "ns-n2n" else 3 if plan.context else 1
        for start in range(distance):
            stack = {name: value[..., start::distance].contiguous() for name, value in last.items()}
            if stack["image"].shape[-1] >= fewest:
                stacks.append(stack)
    return stacks


def fingerprint(volumes: Sequence[Mapping[str, torch.Tensor]], settings: Mapping[str, Any]) -> str:
    """Digest of all that a training depends on; a checkpoint of another one is refused.

    Args:
        volumes: from :func:`prepare_volumes`.
        settings: numbers, texts and networks; they count by their ``repr``.
    """
    digest = hashlib.sha256(repr(sorted((name, repr(value)) for name, value in settings.items())).encode())
    for volume in volumes:
        for name in sorted(volume):
            digest.update(f"{name}{tuple(volume[name].shape)}".encode())
            digest.update(volume[name].contiguous().numpy().tobytes())
    return digest.hexdigest()

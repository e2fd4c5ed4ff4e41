# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A data set with what a first network makes of it: what bundle diffusion trains and evaluates on."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import nn

from monai_diffdenoise.analysis import measure_noise
from monai_diffdenoise.data.volume_list import open_volume, volume_paths
from monai_diffdenoise.data.volume_transforms import slices_last
from monai_diffdenoise.engines import condition_volumes, load_weights
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import DiffusionState, VolumeSliceInferer
from monai_diffdenoise.pipeline.measured_recorruption import measured_recorruption
from monai_diffdenoise.pipeline.planes import as_stack
from monai_diffdenoise.pipeline.training_volumes import prepare_volumes
from monai_diffdenoise.transforms import (
    BlindSpotPair,
    ConditionedPair,
    MatchedRegionWeight,
    Recorruption,
    robust_scaling,
)
from monai_diffdenoise.transforms.recorrupt import GaussianRecorruption

__all__ = ["Conditions", "first_network", "prepare_conditions", "weights_digest"]

Target = Literal["recorrupted", "neighbor", "repeat", "same"]
_MOST_REPEATS = 16


@dataclass(frozen=True, eq=False)
class Conditions:
    """What a conditional model is trained on, and what it is scored with.

    Args:
        noisy: the volumes as they were read and normalised, without conditions.
        volumes: with ``condition`` and what else the pairs need.
        pairing: how they are paired.
        held_out_volumes: for the score.
        held_out_pairing: likewise; its targets share no noise with the condition.
        scale: root mean square of target minus condition, in normalised units.
        identity: digest of the first network's weights and of the settings.
    """

    noisy: list[dict[str, Any]]
    volumes: list[dict[str, Any]]
    pairing: ConditionedPair
    held_out_volumes: list[dict[str, Any]]
    held_out_pairing: ConditionedPair
    scale: float
    identity: str

    @property
    def state(self) -> DiffusionState:
        """What is diffused."""
        return DiffusionState(True, self.scale)


def weights_digest(network: nn.Module) -> str:
    """SHA-256 of a network's weights and their names."""
    found = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        found.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def first_network(network: nn.Module, checkpoint: str | os.PathLike[str]) -> nn.Module:
    """Load what bundle bsn trained, ready to make conditions.

    Args:
        network: of the kind that was trained; it gets the weights.
        checkpoint: its ``model.pt``.

    Returns:
        the network, in evaluation mode, without gradients.

    Raises:
        InputError: no such file, or the weights of another network.
    """
    if not Path(checkpoint).is_file():
        raise InputError(
            f"got no file {checkpoint}; expected a trained blind-spot network: run the program training of bundle bsn "
            "on the same data, and give its model.pt as --bsn_checkpoint"
        )
    return load_weights(network, Path(checkpoint)).eval().requires_grad_(False)


def prepare_conditions(
    dataset_dir: str | os.PathLike[str],
    network: nn.Module,
    target: Target = "recorrupted",
    show_noisy: bool = True,
    context: int = 4,
    tau: float | None = None,
    draws: int = 4,
    series: str | None = None,
    axis: int | None = None,
    distance: int | None = None,
    batch_size: int = 8,
    tile: int = 512,
    seed: int = 0,
) -> Conditions:
    """Read all volumes of a data set and run the first network over each of them once.

    Args:
        dataset_dir: see :func:`~monai_diffdenoise.data.volume_paths`.
        network: the first network, on its device.
        target: see :class:`~monai_diffdenoise.transforms.ConditionedPair`. "recorrupted" takes the noise measured in
            each volume, "neighbor" the nearest slice that the first network did not see, "repeat" the time points of
            series.
        show_noisy: the model sees the noisy slice beside the condition; not with target "same".
        context: neighboring slices that the first network sees.
        tau: of the recorruption; None for what suits the noise.
        draws: of the recorruption for each volume, which is kept in memory that many times.
        series: which series of a DICOM folder that holds several.
        axis: slice axis 0, 1 or 2; None: the one that slices were acquired along.
        distance: slices from one to the next of the context; None measures it.
        batch_size: slices a pass of the first network.
        tile: largest side of what it sees at once, in pixels.
        seed: of the recorruption.

    Returns:
        the volumes with their conditions and targets, and how pairs are made of them.

    Raises:
        InputError: data that cannot be read, or that offer no such target.
    """
    if target not in get_args(Target):
        raise InputError(f"got target={target!r}; expected one of {get_args(Target)}")
    if target == "repeat":
        noisy = _repeats(dataset_dir, series, axis)
        pairs_at = distance or 1
    else:
        noisy = prepare_volumes(dataset_dir, series, "blind", axis=axis, distance=distance, context=context)
        # prepared stacks hold every distance-th slice
        pairs_at = 1
    reach = pairs_at * context // 2
    inferer = VolumeSliceInferer(BlindSpotPair(distance=pairs_at, context=context), batch_size, tile)

    def split() -> list[dict[str, Any]]:
        found = []
        for number, volume in enumerate(noisy):
            own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
            law = _recorruption(volume["image"], tau)
            found += condition_volumes([volume], network, inferer, law, draws, own)
        return found

    recorrupted = ConditionedPair("recorrupted", show_noisy=show_noisy)
    if target == "recorrupted":
        pairing, volumes = recorrupted, split()
    else:
        pairing = ConditionedPair(
            target, distance=reach + 1 if target == "neighbor" else 1, reach=reach, show_noisy=show_noisy
        )
        volumes = condition_volumes(_weighted(noisy, pairing), network, inferer)
        _require_pairs(volumes, pairing)
    held_out = (split(), recorrupted) if target == "same" else (volumes, pairing)
    errors = [
        float((volume.get("targets", volume["image"]) - volume["condition"]).square().mean()) for volume in volumes
    ]
    scale = float(np.mean(errors)) ** 0.5
    told = (weights_digest(network), target, show_noisy, context, tau, draws, seed)
    identity = hashlib.sha256(repr(told).encode()).hexdigest()
    return Conditions(noisy, volumes, pairing, *held_out, max(scale, 1e-6), identity)


def _recorruption(image: torch.Tensor, tau: float | None) -> Recorruption:
    """How a normalised volume (1, X, Y, Z) is split, by its measured noise."""
    try:
        noise = measure_noise(image, -1, repeats=False)
    except InputError as error:
        raise InputError(f"{error}; so there is no recorrupted target: choose target neighbor or repeat") from error
    made = measured_recorruption(noise.to_json(), noise.sigma, tau)
    if isinstance(made, GaussianRecorruption) and not made.gain and noise.family.name != "gaussian":
        logging.getLogger(__name__).warning(
            "noise looks %s; recorrupted as Gaussian noise of %.3g of the range, which fits bright places alone",
            noise.family.name,
            noise.sigma,
        )
    return made


def _weighted(noisy: list[dict[str, Any]], pairing: ConditionedPair) -> list[dict[str, Any]]:
    """The volumes with the weight of their neighbors, where these are the targets."""
    if pairing.target != "neighbor":
        return noisy
    _require_pairs(noisy, pairing)
    weigh = MatchedRegionWeight(distance=pairing.distance)
    return [{**volume, "weight": weigh(volume["image"])} for volume in noisy]


def _require_pairs(volumes: Sequence[dict[str, Any]], pairing: ConditionedPair) -> None:
    for number, volume in enumerate(volumes, start=1):
        if not pairing.num_pairs(volume["image"]):
            raise InputError(
                f"volume {number} of {len(volumes)}, of shape {tuple(volume['image'].shape)}, offers no target "
                f"{pairing.target} at distance {pairing.distance}; choose target recorrupted"
            )


def _repeats(dataset_dir: str | os.PathLike[str], series: str | None, axis: int | None) -> list[dict[str, Any]]:
    """Series with all their time points (C, X, Y, slices) in the same units."""
    found = []
    for path in volume_paths(dataset_dir):
        volume = as_stack(open_volume(path, None if series is None else str(series)))
        count = volume.image.shape[0]
        if volume.channels != "time" or count < 2:
            raise InputError(
                f"got a volume of {count} time points for target repeat; expected a series of one image, or another "
                "target"
            )
        used = min(count, _MOST_REPEATS)
        chosen = [round(k * (count - 1) / (used - 1)) for k in range(used)]
        image = slices_last(volume.image, volume.slice_axis if axis is None else axis).as_tensor()[chosen]
        found.append({"image": robust_scaling(image[used // 2][None]).apply(image)})
    return found

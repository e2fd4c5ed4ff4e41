# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A trained denoiser as a folder: ``model.json``, which says what it is, and ``weights.pt``."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_diffdenoise.data.atomic import atomic_folder
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import LGBPN, PUCA, BlindStack, NAFNet, ResidualDenoiser
from monai_diffdenoise.pipeline.versions import versions
from monai_diffdenoise.transforms.blind_pairing import BlindSpotPair
from monai_diffdenoise.transforms.pairing import NeighborSlicePair, Pairing, RepeatPair, SliceBlindPair

__all__ = ["Model", "load_model", "save_model"]

_FORMAT = 1
_DESCRIPTION, _WEIGHTS = "model.json", "weights.pt"
# A table, so that a file can name no class but these.
_NETWORKS: dict[str, type[nn.Module]] = {
    "blind-stack": BlindStack,
    "lg-bpn": LGBPN,
    "nafnet": NAFNet,
    "puca": PUCA,
    "residual": ResidualDenoiser,
}
_PAIRINGS: dict[str, type[Pairing]] = {
    "neighbor": NeighborSlicePair,
    "repeat": RepeatPair,
    "same": BlindSpotPair,
    "slice-blind": SliceBlindPair,
}


@dataclass(frozen=True)
class Model:
    """A trained 2D denoiser in normalised units, and what belongs to it.

    Args:
        network: (B, C_in, *S) to (B, 1, *S).
        network_name: "nafnet", "residual", "blind-stack", "puca" or "lg-bpn".
        arguments: what the network was made with; plain JSON types.
        pairing: tells what the network sees of a volume's slices: a ``BlindSpotPair`` (the slice and, with a context,
            its neighbors), ``NeighborSlicePair`` or ``RepeatPair`` (the slice) or ``SliceBlindPair`` (its
            neighbors).
        info: what else is known of it: the stabilizer, the range of the noise it was trained on, for a network that is
            run as in ``denoise`` the settings that it was trained with (``plan``); plain JSON types.
    """

    network: nn.Module
    network_name: str
    arguments: dict[str, Any]
    pairing: Pairing
    info: dict[str, Any] = field(default_factory=dict)


def save_model(folder: str | os.PathLike[str], model: Model, *, overwrite: bool = False) -> None:
    """Write a model, complete or not at all.

    Args:
        folder: its parent must exist.
        model: on any device.
        overwrite: whether a model that is there may be replaced; nothing else ever is.

    Raises:
        InputError: something is there that must not be replaced, a network or pairing that cannot be named, or the
            folder cannot be written.
    """
    folder = Path(folder)
    kinds = [kind for kind, maker in _PAIRINGS.items() if type(model.pairing) is maker]
    if not kinds or type(model.network) is not _NETWORKS.get(model.network_name):
        raise InputError(
            f"got a {type(model.network).__name__} called {model.network_name!r} with {type(model.pairing).__name__}; "
            f"expected a network of {', '.join(_NETWORKS)} by its name, and a pairing of {', '.join(_PAIRINGS)}"
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _DESCRIPTION).is_file():
        raise InputError(f"output {folder} holds something else than a model: choose another name")
    # contiguous, as it is whatever device and memory format it was trained in
    weights = {name: value.detach().cpu().contiguous() for name, value in model.network.state_dict().items()}
    stream = io.BytesIO()
    torch.save(weights, stream)
    pairing = model.pairing
    description = {
        "format": _FORMAT,
        "network": {"name": model.network_name, "arguments": model.arguments},
        "pairing": {
            "kind": kinds[0],
            "axis": pairing.axis,
            "distance": pairing.distance,
            "context": getattr(pairing, "context", 0),
        },
        "weights_sha256": hashlib.sha256(stream.getvalue()).hexdigest(),
        "info": model.info,
        "versions": versions(),
    }
    with atomic_folder(folder, overwrite=overwrite) as made:
        (made / _WEIGHTS).write_bytes(stream.getvalue())
        (made / _DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def load_model(folder: str | os.PathLike[str]) -> Model:
    """Read a model, in evaluation mode on the CPU.

    Args:
        folder: of a model, or the work folder of ``diffdenoise fit`` that has one in ``model``.

    Returns:
        the network with its weights, and what it needs to know of an image.

    Raises:
        InputError: there is no model, it is damaged, or it was made by another version.
    """
    root = Path(folder)
    if not (root / _DESCRIPTION).is_file() and (root / "model" / _DESCRIPTION).is_file():
        root = root / "model"
    if not (root / _DESCRIPTION).is_file():
        raise InputError(
            f"got model {folder}, where no {_DESCRIPTION} is; expected the work folder of a finished `diffdenoise fit`"
        )
    try:
        told = json.loads((root / _DESCRIPTION).read_text(encoding="utf-8"))
        stored = (root / _WEIGHTS).read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"got model {folder}, which cannot be read ({error}): make it again") from error
    if not isinstance(told, dict) or told.get("format") != _FORMAT:
        raise InputError(
            f"got model {folder}, which is not of format {_FORMAT}: make it again, or install the version that made it"
        )
    if hashlib.sha256(stored).hexdigest() != told.get("weights_sha256"):
        raise InputError(f"got model {folder}, whose {_WEIGHTS} is not the one of its {_DESCRIPTION}: make it again")
    try:
        name, arguments = told["network"]["name"], dict(told["network"]["arguments"])
        pairing = _make_pairing(told["pairing"])
        network = _NETWORKS[name](**arguments)
        network.load_state_dict(torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True))
        info = dict(told["info"])
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise InputError(
            f"got model {folder}, whose {_DESCRIPTION} does not fit its weights ({reason}): make it again"
        ) from error
    return Model(network.eval(), name, arguments, pairing, info)


def _make_pairing(told: Mapping[str, Any]) -> Pairing:
    more = {"context": int(told["context"])} if told["kind"] == "same" else {}
    return _PAIRINGS[told["kind"]](axis=int(told["axis"]), distance=int(told["distance"]), **more)

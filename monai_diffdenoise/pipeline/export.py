# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""From the folder of a trained model to one file for other programs, with what they must know beside it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, get_args

from monai_diffdenoise.data.atomic import atomic_file, check_target
from monai_diffdenoise.engines.export import ExportFormat, export_network
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.bundle_network import is_bundle, load_bundle
from monai_diffdenoise.pipeline.model_folder import load_model
from monai_diffdenoise.pipeline.versions import versions
from monai_diffdenoise.transforms.pairing import Pairing, SliceBlindPair
from monai_diffdenoise.transforms.scaling import RobustScale

__all__ = ["check_export", "export_model"]

_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
_AROUND = ("slice two before", "slice before", "slice after", "slice two after")


def check_export(
    path: str | os.PathLike[str], format: ExportFormat | None = None, overwrite: bool = False
) -> ExportFormat:
    """Refuse an output that could not be written, before any work is done.

    Args:
        path: the file to write; a second one, with ``.json`` behind its name, is written beside it.
        format: what it shall be; None: its ending says it.
        overwrite: whether both may be replaced.

    Returns:
        the format.

    Raises:
        InputError: an ending that is not the format's, or a file that must not be written.
    """
    path = Path(path)
    named = next((name for name in _FORMATS if path.suffix == f".{name}"), None)
    if named is None or format not in (None, named):
        endings = " or ".join(f".{name}" for name in _FORMATS) if format is None else f".{format}"
        raise InputError(f"got output {path}; expected a name that ends in {endings}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"output {path}: its folder does not exist; make it first")
    for target in (path, _beside(path)):
        check_target(target, overwrite, folder=False)
    return named


def export_model(
    folder: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    format: ExportFormat | None = None,
    opset: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the network of a trained model as ONNX or .pt2, and what goes with it into PATH.json.

    The file holds the network alone: scaling, the choice of slices and fusion stay outside. It takes any batch and any
    size from ``smallest_side`` on, and is compared with the network before it gets its name.

    Args:
        folder: of a model (``model.json``), the work folder of ``diffdenoise fit``, or a bundle.
        path: the file; .onnx (needs the extra ``export``) or .pt2.
        format: None: the ending of ``path`` says it.
        opset: of ONNX's operators; None: the oldest that is possible.
        weights: of a bundle; default: its ``models/model.pt``.
        config: of a bundle: a further file, such as ``configs/puca.yaml``, given after ``inference.json``.
        overwrite: whether existing files may be replaced.

    Returns:
        what stands in PATH.json.

    Raises:
        InputError: no model, a network that cannot be exported, a copy that differs, a file that must not be written.
    """
    folder, path = Path(folder), Path(path)
    format = check_export(path, format, overwrite)
    if format == "pt2" and opset is not None:
        raise InputError(f"got opset {opset} for a .pt2 file; expected none, since opsets are ONNX's")
    if is_bundle(folder) and not (folder / "model.json").is_file():
        chosen = folder / "models" / "model.pt" if weights is None else Path(weights)
        network, layout = load_bundle(folder, chosen, None if config is None else Path(config))
        image = layout["inputs"]["image"]
        facts: dict[str, Any] = {"network": {"name": type(network).__name__}}
        channels = list(image.get("channel_def", {}).values()) or ["image"] * int(image["num_channels"])
        spatial_dims = len(image["spatial_shape"])
    else:
        if weights is not None or config is not None:
            raise InputError(f"got weights or a config for {folder}, which is no bundle; expected the folder alone")
        model = load_model(folder)
        chosen = next(place for place in (folder, folder / "model") if (place / "model.json").is_file()) / "weights.pt"
        network = model.network
        facts = {
            "network": {"name": model.network_name, "arguments": model.arguments},
            "pairing": _told(model.pairing),
            "info": model.info,
        }
        channels = _channels(model.pairing)
        spatial_dims = int(model.arguments.get("spatial_dims", 2))
    scaling = RobustScale()
    facts |= {
        "weights_sha256": hashlib.sha256(chosen.read_bytes()).hexdigest(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "channels": channels,
        "normalization": f"(v - offset) / scale over the whole volume: percentile {scaling.lower:g} becomes 0 and "
        f"percentile {scaling.upper:g} becomes 1, of its values without a constant background; nothing is clipped; the "
        "output has the same units",
        "versions": versions(),
    }
    found = export_network(
        network,
        path,
        in_channels=len(channels),
        spatial_dims=spatial_dims,
        format=format,
        opset=opset,
        facts=facts,
        overwrite=overwrite,
    )
    told = {"format": format, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), **facts, **found}
    with atomic_file(_beside(path), overwrite=overwrite) as stream:
        stream.write((json.dumps(told, indent=2) + "\n").encode())
    return told


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _told(pairing: Pairing) -> dict[str, Any]:
    return {"axis": pairing.axis, "distance": pairing.distance, "context": getattr(pairing, "context", 0)}


def _channels(pairing: Pairing) -> list[str]:
    """What each input channel is; "before" and "after" mean so many times the pairing's distance."""
    around = list(_AROUND if pairing.in_channels >= len(_AROUND) else _AROUND[1:3])
    if isinstance(pairing, SliceBlindPair):
        return around
    return ["slice", *(around if pairing.in_channels > 1 else [])]

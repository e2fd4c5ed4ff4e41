# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A network as one file that runs without this package: ONNX, or ``torch.export``'s .pt2."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from monai_diffdenoise.data.atomic import atomic_file
from monai_diffdenoise.engines.any_size import check_parity, smallest_side, trace_any_size
from monai_diffdenoise.engines.onnx_file import has_onnxruntime, onnx_bytes, run_onnx
from monai_diffdenoise.errors import InputError

__all__ = ["PT2_FACTS", "ExportFormat", "export_network"]

ExportFormat = Literal["onnx", "pt2"]
PT2_FACTS = "monai_diffdenoise.json"
"""Name of the facts inside a .pt2: ``torch.export.load(path, extra_files={PT2_FACTS: ""})`` fills them in."""


def export_network(
    network: nn.Module,
    path: str | os.PathLike[str],
    *,
    in_channels: int = 1,
    spatial_dims: int = 2,
    format: ExportFormat = "onnx",
    opset: int | None = None,
    facts: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a network of any batch and size as one file, which is compared with it before it gets its name.

    Args:
        network: (B, in_channels, *S) to (B, C, *S) for any S, on the CPU; put in evaluation mode.
        path: the file.
        in_channels: of the network's input.
        spatial_dims: 2 or 3.
        format: "onnx", which needs the extra ``export``; or "pt2", which needs nothing more.
        opset: version of ONNX's operators; None: the oldest, which most programs read.
        facts: what to write into the file beside the graph; plain JSON types.
        overwrite: whether a file of this name may be replaced.

    Returns:
        ``smallest_side`` and, under ``parity``, what :func:`~monai_diffdenoise.engines.any_size.check_parity` found;
        None there when onnxruntime is not installed.

    Raises:
        InputError: the network cannot be exported, its copy differs from it, or the file must not be written.
    """
    if format not in ("onnx", "pt2"):
        raise InputError(f"got format {format!r}; expected onnx or pt2")
    program = trace_any_size(network, in_channels, spatial_dims)
    smallest = smallest_side(program)
    facts = {**(facts or {}), "smallest_side": smallest}
    if format == "onnx":
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
        data = onnx_bytes(program, spatial_dims, texts, opset)
        copy = run_onnx(data) if has_onnxruntime() else None
    else:
        stream = io.BytesIO()
        torch.export.save(program, stream, extra_files={PT2_FACTS: json.dumps(facts)})
        data = stream.getvalue()
        copy = torch.export.load(io.BytesIO(data)).module()
    parity = None if copy is None else check_parity(network, copy, in_channels, spatial_dims, smallest)
    with atomic_file(Path(path), overwrite=overwrite) as file:
        file.write(data)
    return {"smallest_side": smallest, "parity": parity}

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files (extra ``export``): from a traced network, and run as a check."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec

import torch
from torch.export import ExportedProgram

from monai_diffdenoise.errors import InputError

__all__ = ["INPUT", "OPSETS", "OUTPUT", "has_onnxruntime", "onnx_bytes", "run_onnx"]

INPUT, OUTPUT = "image", "denoised"
"""Names of the graph's input and output."""
OPSETS = range(18, 24)
"""Versions of ONNX's operators that can be asked for."""

_SPATIAL = {2: ("height", "width"), 3: ("height", "width", "depth")}


def onnx_bytes(
    program: ExportedProgram, spatial_dims: int, properties: Mapping[str, str], opset: int | None = None
) -> bytes:
    """Translate a traced network into an ONNX file, weights included.

    Args:
        program: from :func:`~monai_diffdenoise.engines.any_size.trace_any_size`.
        spatial_dims: 2 or 3.
        properties: go into the file's ``metadata_props``.
        opset: of :data:`OPSETS`; None: the oldest, which most programs read.

    Raises:
        InputError: another opset, onnx or onnxscript is missing, or the network cannot be translated.
    """
    opset = OPSETS[0] if opset is None else opset
    if opset not in OPSETS:
        raise InputError(f"got opset {opset}; expected {OPSETS[0]} to {OPSETS[-1]}")
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise InputError(f"ONNX files need {' and '.join(missing)}: pip install 'monai-diffdenoise[export]'")
    import onnx

    open_axes = {0: "batch", **dict(enumerate(_SPATIAL[spatial_dims], start=2))}
    try:
        with _quiet():
            translated = torch.onnx.export(
                program,
                (),
                dynamo=True,
                verbose=False,
                opset_version=opset,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(open_axes,),
            )
            assert translated is not None
            model = translated.model_proto
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise InputError(f"the network could not be turned into ONNX ({reason}): try --format pt2") from error
    # the exporter leaves a network at its own opset, with a warning, where it cannot bring it to the one asked for
    found = next(entry.version for entry in model.opset_import if entry.domain == "")
    if found != opset:
        raise InputError(f"the network could not be turned into ONNX with opset {opset}: try --opset {found}")
    for part in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]
    onnx.helper.set_model_props(model, dict(properties))
    model.producer_name = "monai-diffdenoise"
    onnx.checker.check_model(model, full_check=False)
    return bytes(model.SerializeToString())


def has_onnxruntime() -> bool:
    """Whether onnxruntime is installed, so that a file can be checked."""
    return find_spec("onnxruntime") is not None


def run_onnx(data: bytes) -> Callable[[torch.Tensor], torch.Tensor]:
    """An ONNX file as a function on the CPU; needs onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

    def run(image: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: image.numpy()})[0])

    return run


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes to its own developers, which it prints, logs and warns."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)

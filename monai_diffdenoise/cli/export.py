# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``diffdenoise export MODEL_DIR OUT``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from monai_diffdenoise.cli.denoise import say

__all__ = ["Export"]


@dataclass(frozen=True)
class Export:
    """Write a trained network as one file for other programs: ONNX, or torch.export's .pt2.

    The file takes any batch and any size. It holds the network alone; what must be done before and after it stands in a
    JSON file beside it.
    """

    model_dir: Annotated[
        tyro.conf.Positional[Path],
        tyro.conf.arg(
            metavar="MODEL_DIR", help="Folder of a model, work folder of diffdenoise fit, or folder of a MONAI Bundle."
        ),
    ]
    output: Annotated[
        tyro.conf.Positional[Path],
        tyro.conf.arg(metavar="OUT", help="File that ends in .onnx or .pt2; OUT.json is written beside it."),
    ]
    format: Annotated[Literal["onnx", "pt2"] | None, tyro.conf.arg(help="None: the ending of OUT says it.")] = None
    opset: Annotated[
        int | None, tyro.conf.arg(help="Of ONNX's operators. None: 18, the oldest, which most programs read.")
    ] = None
    weights: Annotated[Path | None, tyro.conf.arg(help="Of a bundle. None: its models/model.pt.")] = None
    config: Annotated[
        Path | None, tyro.conf.arg(help="Of a bundle: a further file given after inference.json, such as puca.yaml.")
    ] = None
    overwrite: Annotated[bool, tyro.conf.arg(help="Allow replacing existing outputs.")] = False

    def run(self) -> int:
        """Do it; returns the exit code."""
        from monai_diffdenoise.pipeline.export import check_export, export_model

        check_export(self.output, self.format, self.overwrite)
        told = export_model(
            self.model_dir,
            self.output,
            format=self.format,
            opset=self.opset,
            weights=self.weights,
            config=self.config,
            overwrite=self.overwrite,
        )
        say(f"wrote {self.output} ({told['format']}, {self.output.stat().st_size / 1e6:.1f} MB); {_checked(told)}")
        return 0


def _checked(told: dict[str, Any]) -> str:
    parity = told["parity"]
    if parity is None:
        return "not checked, since onnxruntime is not installed: pip install 'monai-diffdenoise[export]'"
    shapes = ", ".join("x".join(map(str, shape)) for shape in parity["shapes"])
    return f"differs from the network by at most {parity['largest_difference']:.1g} at {shapes}"

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The trained network of a MONAI Bundle's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from monai_diffdenoise.bundle_lint import lint_value, parse_config
from monai_diffdenoise.engines.checkpoint import load_weights
from monai_diffdenoise.errors import InputError

__all__ = ["is_bundle", "load_bundle"]


def is_bundle(folder: Path) -> bool:
    """Whether a folder is that of a bundle."""
    return (folder / "configs" / "inference.json").is_file() and (folder / "configs" / "metadata.json").is_file()


def load_bundle(
    folder: Path, weights: Path | None = None, config: Path | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """Make ``network_def`` of a bundle's ``inference.json``, with its weights, on the CPU in evaluation mode.

    Nothing else of the configuration is made, and it is read only if the lint finds nothing in it.

    Args:
        folder: with ``configs`` and ``models``.
        weights: default: ``models/model.pt``.
        config: a further file whose ids replace those of ``inference.json``, such as ``puca.yaml``.

    Returns:
        the network, and ``network_data_format`` of the bundle's ``metadata.json``.

    Raises:
        InputError: a file is missing, damaged, holds more than a bundle of ours may, or does not fit the others.
    """
    from monai.bundle import ConfigParser

    try:
        told: dict[str, Any] = dict(parse_config(folder / "configs" / "inference.json"))
        if config is not None:
            told |= dict(parse_config(config))
        layout: dict[str, Any] = dict(parse_config(folder / "configs" / "metadata.json")["network_data_format"])
        int(layout["inputs"]["image"]["num_channels"]), layout["inputs"]["image"]["spatial_shape"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"got bundle {folder}, whose configuration cannot be read ({error}): mend it") from error
    for place, problem in lint_value(told):
        raise InputError(f"got bundle {folder}, which is not run, since {place}: {problem}")
    try:
        network = ConfigParser(told).get_parsed_content("network_def")
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise InputError(f"got bundle {folder}, whose network_def cannot be made ({reason}): mend it") from error
    if not isinstance(network, nn.Module):
        raise InputError(f"got bundle {folder}, whose network_def is no network: mend it")
    return load_weights(network, weights or folder / "models" / "model.pt").eval(), layout

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The command that reproduces a run, from its record."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from monai_diffdenoise.pipeline.presets import PRESETS
from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve

__all__ = ["command_of"]


def command_of(report: Mapping[str, Any]) -> str:
    """The command line of a run: what differs from the defaults and from what the preset fills in.

    INPUT and OUTPUT stand for the files, whose names may be a patient's.

    Args:
        report: ``Result.report``.
    """
    settings, plan = report["settings"], report["plan"]
    defaults = asdict(DenoiseSettings())
    names = [name for name in (plan.get("network"), plan["method"]) if name in PRESETS]
    filled = asdict(resolve(DenoiseSettings(preset=settings["preset"]), names[0] if names else "bsn"))
    words = ["diffdenoise", "denoise", "INPUT", "OUTPUT"]
    for key, value in settings.items():
        if key not in defaults or value == defaults[key] or (defaults[key] is None and value == filled[key]):
            continue
        flag = key.replace("_", "-")
        if isinstance(defaults[key], bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", shlex.quote(str(value))]
    return " ".join(words)

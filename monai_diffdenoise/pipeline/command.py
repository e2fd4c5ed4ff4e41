# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The command that reproduces a run, from its record."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from monai_diffdenoise.pipeline.presets import PRESETS
from monai_diffdenoise.pipeline.settings import DenoiseSettings

__all__ = ["command_of"]


def command_of(report: Mapping[str, Any]) -> str:
    """The command line of a run: what differs from the defaults and from what the preset fills in.

    INPUT and OUTPUT stand for the files, whose names may be a patient's.

    Args:
        report: ``Result.report``.
    """
    settings, plan = report["settings"], report["plan"]
    defaults = asdict(DenoiseSettings())
    name = plan.get("network") if plan.get("network") in PRESETS else plan["method"]
    filled = PRESETS.get(str(name), {}).get(settings.get("preset", ""), {})
    words = ["diffdenoise", "denoise", "INPUT", "OUTPUT"]
    for key, value in settings.items():
        if key not in defaults or value == defaults[key] or (defaults[key] is None and value == filled.get(key)):
            continue
        flag = key.replace("_", "-")
        if isinstance(defaults[key], bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", shlex.quote(str(value))]
    return " ".join(words)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from monai_diffdenoise.pipeline.command import command_of
from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"preset": "fast", "seed": 3}, " --preset fast --seed 3"),
        ({"fusion": False, "iterations": 77}, " --iterations 77 --no-fusion"),
        ({"augment_inference": True, "preset": "fast"}, " --preset fast --augment-inference True"),
    ],
)
def test_command_says_what_is_not_a_default(changes: dict[str, Any], expected: str) -> None:
    settings = resolve(DenoiseSettings(**changes), "ns-n2n")
    report = {"settings": asdict(settings), "plan": {"method": "ns-n2n", "network": "residual"}}
    assert command_of(report) == f"diffdenoise denoise INPUT OUTPUT{expected}"

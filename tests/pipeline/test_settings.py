# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.pipeline.settings."""

from __future__ import annotations

import dataclasses
import json

import pytest

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline import PRESETS, DenoiseSettings, resolve


@pytest.mark.parametrize("method", PRESETS)
@pytest.mark.parametrize("preset", ["fast", "balanced", "best"])
def test_resolve_fills_what_the_preset_stands_for(method: str, preset: str) -> None:
    settings = resolve(DenoiseSettings(preset=preset), method)  # type: ignore[arg-type]
    wanted = PRESETS[method][preset]
    assert {name: getattr(settings, name) for name in wanted} == wanted


def test_every_preset_fills_the_same_settings() -> None:
    filled = {frozenset(values) for presets in PRESETS.values() for values in presets.values()}
    assert len(filled) == 1
    assert all(getattr(DenoiseSettings(), name) is None for name in filled.pop())


def test_resolve_keeps_what_was_set() -> None:
    assert resolve(DenoiseSettings(preset="best", iterations=7)).iterations == 7


def test_presets_name_settings_only() -> None:
    names = {field.name for field in dataclasses.fields(DenoiseSettings)}
    assert all(set(values) <= names for presets in PRESETS.values() for values in presets.values())
    assert all(set(presets) == {"fast", "balanced", "best"} for presets in PRESETS.values())


def test_json_holds_every_setting() -> None:
    settings = DenoiseSettings(seed=3)
    assert DenoiseSettings(**json.loads(settings.to_json())) == settings


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DenoiseSettings().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iterations", 0),
        ("channels", 3),
        ("batch_size", 0),
        ("patch_size", 4),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("tau", -1.0),
        ("lambda_rc", -0.1),
        ("axis", 3),
        ("distance", 0),
        ("seed", -1),
        ("method", "magic"),
        ("preset", "slow"),
        ("pairing", "none"),
        ("network", "vgg"),
        ("stabilize", "maybe"),
        ("context", 1),
        ("blind_spot", 4),
        ("stride", 0),
        ("refine", -1),
        ("blind_spot", -1),
    ],
)
def test_wrong_values_are_refused_in_one_line(name: str, value: object) -> None:
    with pytest.raises(InputError, match="expected") as caught:
        resolve(DenoiseSettings(**{name: value}))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)

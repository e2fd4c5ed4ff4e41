# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from monai_diffdenoise.analysis import SliceMeasurement
from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.pipeline import DenoiseSettings
from monai_diffdenoise.pipeline import choose_method as module
from monai_diffdenoise.pipeline.choose_method import choose_method
from monai_diffdenoise.pipeline.slice_pairs import SlicePairs

VOLUME = volume_from_array(torch.rand(2, 8, 8, 9), slice_axis=2)
SLICES = SliceMeasurement(2, 1, 10, 0.1, 0.1, 0.1, 0.1, 0.02, (0.0, 0.0), 0.05, 0.9, 0.1)
CLOSE = SlicePairs(2, 1, True, "", "why", SLICES)
SHARED = SlicePairs(2, 1, True, "noise is shared", "why", replace(SLICES, noise_correlation=0.4))
FEW = SlicePairs(2, 1, True, "", "why", replace(SLICES, num_slices=9))
TWO = SlicePairs(2, 1, True, "", "why", replace(SLICES, num_slices=2))
FAR = SlicePairs(2, 1, False, "too far apart", "why", SLICES)
ONE = SlicePairs(2, 1, False, "got 1 slice")


class Noise:
    sigma = 0.1


@pytest.mark.parametrize(
    ("pairs", "repeats", "method", "pairing"),
    [
        (CLOSE, False, "bsn", "blind"),
        (CLOSE, True, "bsn", "blind"),
        (SHARED, False, "ns-n2n", "neighbor"),
        (SHARED, True, "ns-n2n", "repeat"),
        (FEW, False, "ns-n2n", "neighbor"),
        (FEW, True, "ns-n2n", "repeat"),
        (TWO, False, "ns-n2n", "neighbor"),
        (FAR, False, "diffdenoise", "blind"),
        (FAR, True, "ns-n2n", "repeat"),
        (ONE, False, "diffdenoise", "blind"),
    ],
)
def test_auto(pairs, repeats, method, pairing, monkeypatch) -> None:
    monkeypatch.setattr(module, "repeats_one_image", lambda volume, sigma: (repeats, "measured" if repeats else ""))
    choice = choose_method(VOLUME, DenoiseSettings(), pairs, Noise())
    assert (choice.method, choice.pairing) == (method, pairing)
    assert method in choice.reason
    if not pairs.close and not repeats:
        assert pairs.message in choice.reason


@pytest.mark.parametrize(
    ("changes", "most", "method"),
    [
        ({}, 1 << 22, "diffdenoise"),
        ({}, 100, "bsn"),
        ({"preset": "fast"}, 1 << 22, "bsn"),
        ({"target": "same"}, 1 << 22, "bsn"),
        ({"iterations": 9}, 1 << 22, "bsn"),
    ],
    ids=str,
)
def test_all_stages_where_they_take_minutes(changes, most, method, monkeypatch) -> None:
    monkeypatch.setattr(module, "repeats_one_image", lambda volume, sigma: (False, ""))
    monkeypatch.setattr(module, "_MOST", most)
    choice = choose_method(VOLUME, DenoiseSettings(**changes), ONE, Noise())
    assert choice.method == method
    assert choice.reason.startswith(f"method {method}, slice by slice")


@pytest.mark.parametrize("pairs", [SHARED, FEW, TWO, FAR, ONE])
def test_time_points_that_differ_are_shown_to_each_other(pairs, monkeypatch) -> None:
    monkeypatch.setattr(module, "repeats_one_image", lambda volume, sigma: (False, "measured"))
    choice = choose_method(VOLUME, DenoiseSettings(), pairs, Noise())
    assert (choice.method, choice.pairing) == ("bsn", "blind")
    assert "other time points" in choice.reason
    alone = choose_method(VOLUME, DenoiseSettings(companions=0), pairs, Noise())
    assert alone.pairing == ("neighbor" if pairs.close else "blind")
    assert alone.reason.endswith("measured")


@pytest.mark.parametrize(
    ("changes", "method", "pairing"),
    [
        ({"method": "bsn"}, "bsn", "blind"),
        ({"method": "ns-n2n"}, "ns-n2n", "neighbor"),
        ({"method": "ns-n2n", "pairing": "slice-blind"}, "ns-n2n", "slice-blind"),
        ({"pairing": "repeat"}, "ns-n2n", "repeat"),
        ({"network": "puca"}, "bsn", "blind"),
        ({"context": 0}, "bsn", "blind"),
        ({"blind_spot": 3}, "bsn", "blind"),
        ({"companions": 1}, "bsn", "blind"),
    ],
    ids=str,
)
@pytest.mark.parametrize("pairs", [CLOSE, SHARED, FAR, ONE])
def test_what_was_asked_for_wins(changes, method, pairing, pairs) -> None:
    choice = choose_method(VOLUME, DenoiseSettings(**changes), pairs, Noise())
    assert (choice.method, choice.pairing) == (method, pairing)
    assert ("asked for" in choice.reason) == ("method" not in changes)


def test_slices_that_can_be_compared_are_enough_where_noise_cannot_be_measured() -> None:
    assert choose_method(VOLUME, DenoiseSettings(), CLOSE, None).pairing == "neighbor"

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.pipeline.choose_candidate."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from monai_diffdenoise.metrics.verdict import Evidence, Verdict
from monai_diffdenoise.pipeline import choose_candidate as module
from monai_diffdenoise.pipeline.choose_candidate import choose_candidate, fused_or_not


def job(fusion: bool = True, certain: bool = True, highest: float | None = None, **plan_of: Any) -> Any:
    # noise of variance 1: a gain of 0.8 leaves an error of 0.2
    noise = SimpleNamespace(sigma=lambda channel: 1.0)
    variation = None if highest is None else {"varies": highest > 1, "highest": highest}
    plan = SimpleNamespace(noise={"certain": certain, "level_variation": variation}, context=0, pairing="neighbor")
    vars(plan).update(plan_of)
    settings = SimpleNamespace(fusion=fusion)
    return SimpleNamespace(image=torch.zeros(1, 4, 4, 4), noise=noise, settings=settings, plan=plan)


def judged(monkeypatch: pytest.MonkeyPatch, gains: dict[str, dict[str, float] | None]) -> None:
    """Let each candidate, which is its own name, have these gains."""

    def judge(job: object, how: str, fuse: bool) -> Verdict | None:
        assert fuse == how.endswith("fusion")
        found = gains[how]
        if found is None:
            return None
        parts = [Evidence(test, gain - 0.1, gain + 0.1, "better", "") for test, gain in found.items()]
        return Verdict("better", 0.01, (*parts, Evidence("structure", 9.0, 9.0, "undecided", "")))

    monkeypatch.setattr(module, "judge", judge)


@pytest.mark.parametrize(
    ("gains", "best"),
    [
        ({"a + fusion": {"sure": 0.8}, "a": {"sure": 0.7}}, "a + fusion"),
        ({"a + fusion": {"sure": 0.8}, "a": {"sure": 0.81}}, "a"),
        # an error smaller by less than a hundredth is a tie
        ({"a + fusion": {"sure": 0.8}, "a": {"sure": 0.8019}}, "a + fusion"),
        ({"a + fusion": {"sure": 0.8}, "a": {"sure": 0.8021}}, "a"),
        # the mean of the two tests
        ({"a + fusion": {"sure": 0.8, "slices": 0.5}, "a": {"sure": 0.7, "slices": 0.7}}, "a"),
        # only tests that all have
        ({"a + fusion": {"sure": 0.8, "slices": 0.1}, "a": {"sure": 0.7}}, "a + fusion"),
        ({"a + fusion": {"slices": 0.8}, "a": {"sure": 0.9}}, "a + fusion"),
        ({"a + fusion": None, "a": {"sure": 0.9}}, "a + fusion"),
        ({"a": {"sure": 0.9}}, "a"),
        # less than no error: not believed beyond what a sigma that is a little off makes of it
        ({"a": {"sure": 0.9}, "b": {"sure": 1.04}}, "b"),
        ({"a": {"sure": 0.9}, "b": {"sure": 1.06}}, "a"),
        ({"a": {"sure": 0.9}, "b": {"sure": 1.06}, "c": {"sure": 0.95}}, "c"),
        ({"a": {"sure": 1.1}, "b": {"sure": 1.2}}, "a"),
    ],
)
def test_the_least_error_is_returned(
    monkeypatch: pytest.MonkeyPatch, gains: dict[str, dict[str, float] | None], best: str
) -> None:
    judged(monkeypatch, gains)
    selection = choose_candidate(job(), {name: name for name in gains})
    assert selection.name == best
    assert selection.reason.startswith(f"{best}: ")
    assert selection.as_dict()["returned"] == best
    assert (selection.verdict is None) == (gains[best] is None)


def test_what_is_within_a_tie_is_not_called_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    judged(monkeypatch, {"a": {"sure": 0.8}, "b": {"sure": 0.801}})
    assert choose_candidate(job(), {"a": "a", "b": "b"}).reason.startswith(
        "a: an error within 1 % of the least by sure"
    )


@pytest.mark.parametrize(
    ("how", "gains", "best", "tests"),
    [
        # both count where the noise is known
        ({}, {"a": {"sure": 0.8, "slices": 0.5}, "b": {"sure": 0.4, "slices": 0.6}}, "a", "slices and sure"),
        # the level of the noise is not, so Stein's estimate says nothing
        ({"certain": False}, {"a": {"sure": 0.8, "slices": 0.5}, "b": {"sure": 0.4, "slices": 0.6}}, "b", "slices"),
        ({"highest": 1.5}, {"a": {"sure": 0.8, "slices": 0.5}, "b": {"sure": 0.4, "slices": 0.6}}, "b", "slices"),
        (
            {"highest": 1.0},
            {"a": {"sure": 0.8, "slices": 0.5}, "b": {"sure": 0.4, "slices": 0.6}},
            "a",
            "slices and sure",
        ),
        ({"certain": False}, {"a": {"sure": 0.8}, "b": {"sure": 0.9}}, "b", "sure"),
        # a network that sees the neighbors has their noise in its result
        (
            {"certain": False, "context": 4},
            {"a": {"sure": 0.8, "slices": 0.5}, "b": {"sure": 0.4, "slices": 0.6}},
            "a",
            "slices and sure",
        ),
        (
            {"certain": False, "pairing": "slice-blind"},
            {"a": {"sure": 0.8, "slices": 0.5}, "b": {"sure": 0.4, "slices": 0.6}},
            "a",
            "slices and sure",
        ),
        # a gain larger than the noise comes from anatomy that changes between slices
        ({"certain": False}, {"a": {"sure": 0.8, "slices": 0.5}, "b": {"sure": 0.4, "slices": 1.1}}, "a", "sure"),
        ({}, {"a": {"sure": 0.8, "slices": 0.9}, "b": {"sure": 0.7, "slices": 1.1}}, "a", "sure"),
        # unless the noise is so strong in some places
        ({"highest": 1.5}, {"a": {"sure": 0.8, "slices": 0.5}, "b": {"sure": 0.4, "slices": 2.1}}, "b", "slices"),
        ({"highest": 1.5}, {"a": {"sure": 0.8, "slices": 0.5}, "b": {"sure": 0.4, "slices": 2.5}}, "a", "sure"),
    ],
)
def test_only_tests_that_can_be_right_count(
    monkeypatch: pytest.MonkeyPatch,
    how: dict[str, Any],
    gains: dict[str, dict[str, float] | None],
    best: str,
    tests: str,
) -> None:
    judged(monkeypatch, gains)
    selection = choose_candidate(job(**how), {name: name for name in gains})
    assert selection.name == best
    assert f" by {tests}, as a share" in selection.reason


def test_what_is_not_believed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    judged(monkeypatch, {"a": {"sure": 0.9}, "b": {"sure": 1.1}})
    told = choose_candidate(job(), {"a": "a", "b": "b"}).reason
    assert told.startswith("a: the least possible error by sure") and "b -0.1" in told


@pytest.mark.parametrize(("fusion", "names"), [(True, {"a", "a + fusion"}), (False, {"a"})])
def test_fusion_is_a_candidate_where_it_is_allowed(fusion: bool, names: set[str]) -> None:
    assert set(fused_or_not(job(fusion), {"a": lambda *_: torch.empty(0)})) == names

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Targets over several runs and processes are those of a single one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_diffdenoise.engines import TargetCache, generate_targets
from monai_diffdenoise.errors import InputError


def some_volumes(count: int = 5) -> list[dict[str, Any]]:
    draw = torch.Generator().manual_seed(0)
    return [{"image": torch.rand(1, 6, 5, 4 + n, generator=draw), "number": n} for n in range(count)]


class Make:
    """Halves a volume, and counts."""

    def __init__(self, stop_at: int = 99) -> None:
        self.made: list[int] = []
        self.stop_at = stop_at

    def __call__(self, volume: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        if volume["number"] == self.stop_at:
            raise KeyboardInterrupt
        self.made.append(volume["number"])
        return volume["image"] / 2, volume["image"] / 4


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_targets_go_with_their_volumes(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    found = generate_targets(
        some_volumes(3), Make(), TargetCache(tmp_path, "a"), progress=lambda *step: told.append(step)
    )
    assert [one["number"] for one in found] == [0, 1, 2]
    for one in found:
        assert torch.equal(one["targets"], one["image"] / 2) and torch.equal(one["weight"], one["image"] / 4)
    assert told == [("targets", 1, 3), ("targets", 2, 3), ("targets", 3, 3)]


@pytest.mark.parametrize("world_size", [2, 3])
def test_any_number_of_processes_gives_the_same_bytes(world_size: int, tmp_path: Path) -> None:
    generate_targets(some_volumes(), Make(), TargetCache(tmp_path / "one", "a"))
    cache, makers = TargetCache(tmp_path / "many", "a"), [Make() for _ in range(world_size)]
    found: list[dict[str, Any]] = []
    for rank in reversed(range(world_size)):
        found = generate_targets(some_volumes(), makers[rank], cache, rank, world_size)
    assert contents(tmp_path / "many") == contents(tmp_path / "one")
    assert [maker.made for maker in makers] == [list(range(rank, 5, world_size)) for rank in range(world_size)]
    assert [one["number"] for one in found] == [0, 1, 2, 3, 4]


def test_an_interrupted_run_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate_targets(some_volumes(), Make(), TargetCache(tmp_path / "one", "a"))
    with pytest.raises(KeyboardInterrupt):
        generate_targets(some_volumes(), Make(stop_at=3), TargetCache(tmp_path / "two", "a"))
    rest = Make()
    capsys.readouterr()
    found = generate_targets(some_volumes(), rest, TargetCache(tmp_path / "two", "a"))
    assert rest.made == [3, 4] and len(found) == 5
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert "targets: 2 of 5 volumes to do" in capsys.readouterr().err


def test_equal_volumes_are_made_once(tmp_path: Path) -> None:
    volume, make = some_volumes(1), Make()
    assert len(generate_targets(volume * 3, make, TargetCache(tmp_path, "a"), 1, 2)) == 0
    assert len(generate_targets(volume * 3, make, TargetCache(tmp_path, "a"), 0, 2)) == 3
    assert make.made == [0]


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    late = TargetCache(tmp_path, "b")
    generate_targets(some_volumes(1), Make(), TargetCache(tmp_path, "a"))
    before = contents(tmp_path)
    with pytest.raises(InputError, match="other weights or settings"):
        generate_targets(some_volumes(2), Make(), late)
    assert contents(tmp_path) == before


def test_no_room_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        free = 10

    monkeypatch.setattr("shutil.disk_usage", lambda place: Full)
    make = Make()
    with pytest.raises(InputError, match="are free: make room"):
        generate_targets(some_volumes(), make, TargetCache(tmp_path, "a"))
    assert make.made == []


def test_ranks_outside_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rank 2 of 2"):
        generate_targets(some_volumes(), Make(), TargetCache(tmp_path, "a"), 2, 2)

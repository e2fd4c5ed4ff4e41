# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: whole or not there, the newest good one wins, and nothing of another run is taken."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from monai_diffdenoise.data import CountingSampler
from monai_diffdenoise.engines import AtomicCheckpoint, load_weights, save_atomically
from monai_diffdenoise.errors import InputError


class Run:
    """A counter that is trained: one more at each iteration, four iterations an epoch."""

    def __init__(self, folder: Path, **arguments: Any) -> None:
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.network.weight)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=1.0, momentum=0.5)
        self.sampler = CountingSampler(1000)
        self.engine = Engine(self.step)
        self.engine.state.max_epochs = self.engine.state.epoch_length = None
        parts = {"network": self.network, "optimizer": self.optimizer}
        self.checkpoint = AtomicCheckpoint(folder, parts, self.sampler, batch_size=3, **arguments)

    def step(self, engine: Engine, batch: int) -> None:
        self.optimizer.zero_grad()
        (-self.network.weight).sum().backward()
        self.optimizer.step()

    def go(self, epochs: int) -> float:
        self.checkpoint.attach(self.engine)
        self.engine.run([0] * 4, max_epochs=epochs)
        return self.network.weight.item()


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def restored(folder: Path, **arguments: Any) -> Run | None:
    run = Run(folder, **arguments)
    return run if run.checkpoint.restore(run.engine) else None


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    Run(tmp_path / "new" / "folder").go(4)
    assert names(tmp_path / "new" / "folder") == ["state_00000012.pt", "state_00000016.pt"]


@pytest.mark.parametrize(("keep", "every", "expected"), [(1, 1, [20]), (3, 1, [12, 16, 20]), (2, 2, [8, 16])])
def test_how_many_and_how_often_can_be_said(tmp_path: Path, keep: int, every: int, expected: list[int]) -> None:
    Run(tmp_path, keep=keep, every=every).go(5)
    assert names(tmp_path) == [f"state_{iteration:08d}.pt" for iteration in expected]


def test_everything_comes_back(tmp_path: Path) -> None:
    run = Run(tmp_path)
    torch.manual_seed(3)
    weight = run.go(2)
    due = torch.rand(4)
    other = restored(tmp_path)
    assert other is not None
    assert other.network.weight.item() == weight
    assert other.engine.state.iteration == 8
    assert other.engine.state.epoch == 2
    assert other.sampler.start == 8 * 3
    momentum = [run.optimizer.state[p]["momentum_buffer"] for p in run.network.parameters()]
    assert [other.optimizer.state[p]["momentum_buffer"] for p in other.network.parameters()] == momentum
    assert torch.equal(torch.rand(4), due)


def test_an_empty_folder_holds_nothing_to_resume(tmp_path: Path) -> None:
    assert restored(tmp_path) is None
    assert restored(tmp_path / "missing") is None


@pytest.mark.parametrize("damage", ["empty", "half", "garbage", "foreign", "code"])
def test_the_one_before_serves_when_the_newest_is_spoilt(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    Run(tmp_path).go(3)
    newest = tmp_path / "state_00000012.pt"
    content = newest.read_bytes()
    if damage == "foreign":
        torch.save({"weights": torch.zeros(3)}, newest)
    elif damage == "code":
        # what weights_only refuses to run
        newest.write_bytes(pickle.dumps({"fingerprint": "", "x": Trap(str(tmp_path / "executed"))}, 2))
    else:
        newest.write_bytes({"empty": b"", "half": content[: len(content) // 2], "garbage": b"x" * 4000}[damage])
    other = restored(tmp_path)
    assert other is not None
    assert other.engine.state.iteration == 8
    assert "state_00000012.pt cannot be read" in caplog.text
    assert not (tmp_path / "executed").exists()


class Trap:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.path,)


def test_nothing_to_resume_when_all_are_spoilt(tmp_path: Path) -> None:
    Run(tmp_path).go(2)
    for file in tmp_path.iterdir():
        file.write_bytes(b"")
    assert restored(tmp_path) is None


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    Run(tmp_path, fingerprint="a").go(1)
    assert restored(tmp_path, fingerprint="a") is not None
    with pytest.raises(InputError, match="another run"):
        restored(tmp_path, fingerprint="b")


@pytest.mark.parametrize("moment", ["writing", "flushing", "renaming"])
def test_a_failure_while_saving_leaves_what_was_there(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Run(tmp_path).go(2)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(*arguments: Any, **keywords: Any) -> None:
        raise OSError(28, "No space left on device")

    def half(content: dict, stream: Any) -> None:
        stream.write(b"half of it")
        fail()

    if moment == "writing":
        monkeypatch.setattr(torch, "save", half)
    else:
        monkeypatch.setattr(os, {"flushing": "fsync", "renaming": "replace"}[moment], fail)
    run = Run(tmp_path, resume=True)
    with pytest.raises(InputError, match="No space"):
        run.go(3)
    monkeypatch.undo()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_what_a_kill_left_half_written_goes_with_the_next_save(tmp_path: Path) -> None:
    tmp_path.joinpath(".state_00000008.pt.0123456789ab.tmp").write_bytes(b"half")
    tmp_path.joinpath(".other.tmp").write_bytes(b"not ours")
    Run(tmp_path).go(1)
    assert names(tmp_path) == [".other.tmp", "state_00000004.pt"]


def test_a_run_from_the_start_replaces_a_longer_one(tmp_path: Path) -> None:
    Run(tmp_path).go(9)
    Run(tmp_path).go(1)
    other = restored(tmp_path)
    assert other is not None
    assert other.engine.state.iteration == 4


def test_without_resume_a_checkpoint_is_not_looked_at(tmp_path: Path) -> None:
    Run(tmp_path, fingerprint="other").go(2)
    run = Run(tmp_path)
    run.checkpoint.attach(run.engine)
    assert run.network.weight.item() == 0


def test_weights_are_loaded_into_the_network(tmp_path: Path) -> None:
    network, other = nn.Linear(2, 2), nn.Linear(2, 2)
    save_atomically(network.state_dict(), tmp_path / "new" / "model.pt")
    assert load_weights(other, tmp_path / "new" / "model.pt") is other
    assert torch.equal(other.weight, network.weight)


def test_saving_replaces_and_leaves_no_other_file(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        save_atomically({"x": torch.tensor(value)}, str(tmp_path / "model.pt"))
    assert torch.load(tmp_path / "model.pt", weights_only=True) == {"x": torch.tensor(2.0)}
    assert names(tmp_path) == ["model.pt"]


@pytest.mark.parametrize("content", ["missing", "empty", "other network", "a list", "code"])
def test_weights_that_do_not_fit_are_the_users_mistake(tmp_path: Path, content: str) -> None:
    path = tmp_path / "model.pt"
    if content == "empty":
        path.write_bytes(b"")
    elif content == "other network":
        torch.save(nn.Linear(3, 3).state_dict(), path)
    elif content == "a list":
        torch.save([1, 2], path)
    elif content == "code":
        path.write_bytes(pickle.dumps(Trap(str(tmp_path / "executed")), 2))
    with pytest.raises(InputError) as caught:
        load_weights(nn.Linear(2, 2), path)
    assert "\n" not in str(caught.value)
    assert "train" in str(caught.value)
    assert not (tmp_path / "executed").exists()

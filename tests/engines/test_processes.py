# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One process of one here; two are tested with the bundle."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import ignite.distributed as idist
import pytest
import torch
from torch import distributed, nn

from monai_diffdenoise.engines import distribute, process_device, start_processes, stop_processes
from monai_diffdenoise.errors import InputError


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment that torchrun gives to a single process, on a machine without GPUs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = {"LOCAL_RANK": 0, "RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    yield
    stop_processes()


def test_group_lives_from_start_to_stop(torchrun: None) -> None:
    start_processes()
    start_processes()
    assert distributed.get_backend() == "gloo"
    assert (idist.get_rank(), idist.get_world_size(), idist.backend()) == (0, 1, "gloo")
    stop_processes()
    stop_processes()
    assert not distributed.is_initialized()
    assert (idist.get_rank(), idist.get_world_size(), idist.backend()) == (0, 1, None)


def test_wrapped_network_shares_its_weights(torchrun: None) -> None:
    start_processes()
    network = nn.Linear(2, 1)
    wrapped = distribute(network, process_device())
    assert wrapped.module is network
    wrapped(torch.ones(1, 2)).sum().backward()
    assert network.weight.grad is not None
    del wrapped


def test_without_torchrun_the_answer_is_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    for call in (process_device, start_processes):
        with pytest.raises(InputError, match="torchrun"):
            call()


@pytest.mark.parametrize(("rank", "fits"), [(0, True), (3, True), (4, False)])
def test_each_process_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch, rank: int, fits: bool) -> None:
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    if fits:
        assert process_device() == torch.device("cuda", rank)
    else:
        with pytest.raises(InputError, match="4 GPUs"):
            process_device()

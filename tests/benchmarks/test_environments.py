# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.quality import cost
from benchmarks.quality.cases import phantom_case
from benchmarks.quality.environments import PEERS, Peer, main, python_of, run_peer
from benchmarks.quality.methods import MissingPeerError
from benchmarks.quality.peers import require
from benchmarks.quality.run import _settled

WORKER = """
import sys
import numpy as np
from benchmarks.quality.cost import stage
from benchmarks.quality.workers.exchange import serve


def work(image, slice_axis, sigma, factor):
    assert image.dtype == np.float32 and image.ndim == 4
    with stage("training"):
        sum(range(10**5))
    if factor < 0:
        raise ValueError("no such factor")
    return {"": factor * image, "plus": image + sigma * (slice_axis == 2)}


serve(work, ["numpy"])
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An environment of a peer "fake", whose interpreter is this one and whose worker is the text above."""
    monkeypatch.setenv("DIFFDENOISE_PEERS", str(tmp_path))
    monkeypatch.setitem(PEERS, "fake", Peer("fake", "1", "none", needs=("fake==1",)))
    monkeypatch.setattr(cost, "COST", cost.Cost())
    python = tmp_path / "fake" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (tmp_path / "worker.py").write_text(WORKER)
    # called as: python -m MODULE FOLDER
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path / "worker.py"}" "$3"\n')
    python.chmod(0o755)
    recipe = {"python": list(sys.version_info[:2]), "needs": ["fake==1"], "alone": []}
    (tmp_path / "fake" / "made.json").write_text(json.dumps(recipe))
    return phantom_case(None, 0, kind="gaussian", strength=0.25, shape=(8, 8, 4))


def test_arrays_settings_and_costs_are_exchanged(fake: Any) -> None:
    noisy = fake.volume.image.as_tensor()
    outputs = run_peer("fake", fake, factor=2.0)
    assert torch.equal(outputs[""], 2.0 * noisy)
    assert torch.allclose(outputs["plus"], noisy + 0.25)
    assert cost.COST.stages["training"] > 0.0
    assert cost.COST.other_cpu >= cost.COST.stages["training"]
    assert cost.COST.other_peak_mb > 5
    # the start of the other process is most of it here, and no part of the run
    assert cost.COST.startup > cost.COST.other_cpu
    assert cost.COST.versions["numpy"]


def test_a_worker_that_fails_says_why(fake: Any) -> None:
    with pytest.raises(RuntimeError, match="no such factor"):
        run_peer("fake", fake, factor=-1.0)


def test_an_environment_for_other_pins_does_not_count(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert python_of("fake") is not None
    monkeypatch.setitem(PEERS, "fake", Peer("fake", "2", "none", needs=("fake==2",)))
    assert python_of("fake") is None
    with pytest.raises(MissingPeerError, match="--make fake") as refusal:
        run_peer("fake", fake)
    assert not _settled({"refused": str(refusal.value)})


def test_a_peer_is_tried_again_once_it_may_be_there() -> None:
    with pytest.raises(MissingPeerError) as refusal:
        require("no_such_peer")
    assert not _settled({"refused": str(refusal.value)})
    assert not _settled({"error": "boom"})
    assert _settled({"refused": "for series of volumes; the case has 1"})
    assert _settled({"scores": {}})


def test_the_table_has_every_peer_with_version_and_license(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIFFDENOISE_PEERS", "elsewhere")
    assert main(["--root", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2 + len(PEERS)
    for line, peer in zip(printed[2:], PEERS.values(), strict=True):
        assert peer.distribution in line and peer.version in line and peer.license in line


def test_what_has_its_own_environment_has_a_worker() -> None:
    from importlib.util import find_spec

    for name, peer in PEERS.items():
        if peer.needs:
            assert find_spec(f"benchmarks.quality.workers.{name}") is not None
            assert any(need.startswith(f"{peer.distribution}==") for need in (*peer.needs, *peer.alone))

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Peers that clash with our packages, in environments of their own.

    python -m benchmarks environments                     the table: what is pinned, under which license, what is there
    python -m benchmarks environments --make careamics    makes one (--root, $DIFFDENOISE_PEERS or ~/.cache says where)

None of them is a dependency of the product; they are installed by whoever runs the benchmark, under their licenses.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["PEERS", "Peer", "main", "make", "python_of", "run_peer"]

_TREE = Path(__file__).parents[2]


@dataclass(frozen=True)
class Peer:
    """A program of others.

    Args:
        distribution: its name on PyPI.
        version: that was tried.
        license: as its files say.
        note: what to know.
        extra: whether the extra ``bench`` installs it beside ours.
        needs: for an environment of its own: what is installed with dependencies.
        alone: what is installed without them.
    """

    distribution: str
    version: str
    license: str
    note: str = ""
    extra: bool = False
    needs: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()


_TORCH = ("torch==2.13.0", "torchmetrics==1.8.2")
_CUDA = "asks for torchvision, whose wheels do not load beside a CPU torch: installed without it, with a stand-in"

PEERS: dict[str, Peer] = {
    "bm3d": Peer("bm3d", "4.0.3", "Tampere University, non-commercial", "closed; by hand: pip install bm3d"),
    "bm4d": Peer("bm4d", "4.2.5", "Tampere University, non-commercial", "closed; by hand: pip install bm4d"),
    "dipy": Peer("dipy", "1.12.1", "BSD-3-Clause", extra=True),
    "SimpleITK": Peer("SimpleITK", "2.5.7", "Apache-2.0", extra=True),
    "scikit-image": Peer("scikit-image", "0.26.0", "BSD-3-Clause", extra=True),
    "ants": Peer("antspyx", "0.6.3", "Apache-2.0", "asks for numpy < 2.4 and scipy < 1.16", needs=("antspyx==0.6.3",)),
    "careamics": Peer(
        "careamics",
        "0.3.5",
        "BSD-3-Clause",
        _CUDA,
        needs=(
            *_TORCH,
            "bioimageio-core>=0.9,<=0.11",
            "lightning>=2.2,<=2.6.1",
            "matplotlib<=3.11.2",
            "microssim<=0.0.5",
            "numpy<=2.4.6",
            "pillow<=13",
            "psutil<=7.2.2",
            "pydantic>=2.11,<=2.14.1",
            "pyyaml<=6.0.3",
            "scikit-image<=0.26",
            "tifffile<=2026.3.3",
            "zarr>=3,<4",
        ),
        alone=("careamics==0.3.5",),
    ),
    "deepinv": Peer(
        "deepinv",
        "0.5.0",
        "BSD-3-Clause",
        _CUDA,
        needs=(*_TORCH, "einops", "h5py", "matplotlib", "natsort", "numpy", "requests", "tqdm"),
        alone=("deepinv==0.5.0",),
    ),
    "aydin": Peer(
        "aydin", "0.1.15", "BSD-3-Clause", "not run: asks for tensorflow 2.8.1 and napari, not on Python 3.11"
    ),
}
"""By name: that of the worker in benchmarks/quality/workers where there is one."""


def main(arguments: list[str] | None = None) -> int:
    """Make environments, or print the table; returns the exit code."""
    own = [name for name, peer in PEERS.items() if peer.needs]
    parser = argparse.ArgumentParser(prog="python -m benchmarks environments", description=__doc__.splitlines()[0])
    parser.add_argument("--make", nargs="+", choices=own, default=[], help="environments to make")
    parser.add_argument("--root", type=Path, help="folder of the environments")
    options = parser.parse_args(arguments)
    if options.root is not None:
        os.environ["DIFFDENOISE_PEERS"] = str(options.root.resolve())
    for name in options.make:
        make(name)
    print("\n".join(_table()))
    return 0


def python_of(name: str) -> Path | None:
    """The interpreter of a peer's environment; None where that was not made, or for another version."""
    done = _folder(name) / "made.json"
    if not done.exists() or json.loads(done.read_text()) != _recipe(name):
        return None
    return _folder(name) / "bin" / "python"


def make(name: str) -> Path:
    """Make a peer's environment; returns its interpreter.

    Raises:
        subprocess.CalledProcessError: pip could not.
    """
    folder, peer = _folder(name), PEERS[name]
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *peer.needs], check=True)
    if peer.alone:
        subprocess.run([*pip, "--no-deps", *peer.alone], check=True)
    (folder / "made.json").write_text(json.dumps(_recipe(name)))
    return folder / "bin" / "python"


def run_peer(name: str, case: Any, timeout: float | None = None, **settings: object) -> dict[str, Any]:
    """Run a worker in its environment on the noisy volume of a case.

    Args:
        name: of the peer, and of the worker.
        case: a :class:`benchmarks.cases.Case`; its noisy volume, slice axis and sigma are handed over.
        timeout: seconds that it may take.
        settings: what the worker takes, plain JSON types.

    Returns:
        outputs (C, *S) by variant, in the case's units.

    Raises:
        MissingPeerError: the environment was not made.
        RuntimeError: the worker failed.
    """
    import torch

    from benchmarks.quality.cost import COST
    from benchmarks.quality.methods import MissingPeerError
    from benchmarks.quality.peers import spatial_channels

    python = python_of(name)
    if python is None:
        raise MissingPeerError(f"no environment for {name} (python -m benchmarks environments --make {name})")
    told = {"slice_axis": case.volume.slice_axis, "sigma": case.sigma, **settings}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "image.npy"), spatial_channels(case).astype(np.float32))
        Path(folder, "settings.json").write_text(json.dumps(told))
        command = [str(python), "-m", f"benchmarks.quality.workers.{name}", folder]
        variables = {**os.environ, "PYTHONPATH": str(_TREE)}
        start = time.perf_counter()
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False, env=variables, cwd=folder
        )
        spent = time.perf_counter() - start
        if done.returncode:
            # pydantic tells what is wrong in the lines before the last
            raise RuntimeError("; ".join(done.stderr.strip().splitlines()[-4:]) or f"exit code {done.returncode}")
        cost = json.loads(Path(folder, "cost.json").read_text())
        with np.load(Path(folder, "output.npz")) as found:
            outputs = {key[1:]: torch.from_numpy(found[key].reshape(case.volume.image.shape)) for key in found.files}
    COST.other_cpu += cost["cpu"]
    COST.other_peak_mb = max(COST.other_peak_mb, cost["peak_mb"])
    COST.startup += spent - cost["wall"]
    COST.versions |= cost["versions"]
    for stage, seconds in cost["stages"].items():
        COST.stages[stage] = COST.stages.get(stage, 0.0) + seconds
    return outputs


def _folder(name: str) -> Path:
    root = os.environ.get("DIFFDENOISE_PEERS") or Path.home() / ".cache" / "monai-diffdenoise" / "peers"
    return Path(root) / name


def _recipe(name: str) -> dict[str, Any]:
    peer = PEERS[name]
    return {"python": list(sys.version_info[:2]), "needs": list(peer.needs), "alone": list(peer.alone)}


def _table() -> Iterable[str]:
    yield "| peer | version | license | where | here | note |"
    yield "|---|---|---|---|---|---|"
    for name, peer in PEERS.items():
        where = "extra `bench`" if peer.extra else "own environment" if peer.needs else "by hand"
        if peer.needs:
            here = "made" if python_of(name) else "-"
        else:
            try:
                here = version(peer.distribution)
            except PackageNotFoundError:
                here = "-"
        yield f"| {peer.distribution} | {peer.version} | {peer.license} | {where} | {here} | {peer.note} |"

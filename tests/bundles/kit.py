# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of all bundles share: where their files are, and how their programs are run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.bundle import ConfigWorkflow
from torch import nn

from monai_diffdenoise import networks
from monai_diffdenoise.bundle import bundle_root
from monai_diffdenoise.data.phantom import add_noise, make_phantom

__all__ = [
    "BUNDLES",
    "REPOSITORY",
    "TINY",
    "Bundle",
    "causes",
    "command_line",
    "run",
    "tiny_flags",
    "workflow",
    "write_noisy",
]

REPOSITORY = Path(__file__).resolve().parents[2]
TINY: dict[str, Any] = {"max_epochs": 2, "epoch_length": 3, "batch_size": 2, "patch_size": 16, "val_batches": 1}
TINY |= {"device": "cpu", "val_batch_size": 2}


@dataclass(frozen=True)
class Bundle:
    """A bundle of the repository.

    Args:
        name: of its folder.
        network: name of the class that it trains.
        arguments: of the class, as its configurations give them.
        scripts: whether TorchScript can script the network; it can trace all of them.
        needs: what another bundle has to make first: the id, and the programs' kinds that need it.
        other: a setting of another network.
        leaves: what training writes beside weights and checkpoints.
    """

    name: str
    network: str
    arguments: dict[str, Any]
    scripts: bool = True
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    other: tuple[str, Any] = ("network_def::channels", 4)
    leaves: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        return Path(bundle_root(self.name))

    @property
    def configs(self) -> Path:
        return self.root / "configs"

    @property
    def train(self) -> Path:
        return self.configs / "train.yaml"

    @property
    def evaluate(self) -> Path:
        return self.configs / "evaluate.yaml"

    @property
    def inference(self) -> Path:
        return self.configs / "inference.json"

    @property
    def multi_gpu(self) -> list[Path]:
        return [self.train, self.configs / "multi_gpu_train.yaml"]

    @property
    def metadata(self) -> dict[str, Any]:
        return json.loads((self.configs / "metadata.json").read_text(encoding="utf-8"))

    @property
    def readme(self) -> str:
        return (self.root / "docs" / "README.md").read_text(encoding="utf-8")

    @property
    def channels(self) -> int:
        """Channels of the network's input."""
        return self.metadata["network_data_format"]["inputs"]["image"]["num_channels"]

    def make_network(self) -> nn.Module:
        return getattr(networks, self.network)(**self.arguments)

    def trained(self, folder: Path) -> nn.Module:
        """The network with the weights that a training left in a folder."""
        network = self.make_network().eval().requires_grad_(False)
        network.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
        return network


BUNDLES = [
    Bundle("ns_n2n", "ResidualDenoiser", {}),
    Bundle("bsn", "BlindStack", {"context_channels": 4}, scripts=False),
    Bundle(
        "diffusion",
        "ConditionalDiffusion",
        {"condition_channels": 2},
        scripts=False,
        needs={"bsn_checkpoint": ("train", "evaluation", "infer")},
        other=("network_def::num_res_blocks", 2),
        leaves=("scale.json",),
    ),
    Bundle(
        "nafnet",
        "NAFNet",
        {
            "in_channels": 5,
            "channels": 16,
            "encoder": [1, 1],
            "middle": 2,
            "decoder": [1, 1],
            "attention": "local",
            "window": 72,
        },
        needs={"targets_dir": ("train", "evaluation")},
    ),
]


def workflow(config: Path | list[Path], kind: str, program: str = "run", **override: Any) -> ConfigWorkflow:
    """A workflow as ``monai.bundle run`` makes it, initialized."""
    files = [str(path) for path in ([config] if isinstance(config, Path) else config)]
    override = {name: str(value) if isinstance(value, Path) else value for name, value in override.items()}
    made = ConfigWorkflow(config_file=files, logging_file=False, workflow_type=kind, run_id=program, **override)
    made.initialize()
    return made


def run(config: Path | list[Path], kind: str, program: str = "run", **override: Any) -> ConfigWorkflow:
    made = workflow(config, kind, program=program, **override)
    made.run()
    made.finalize()
    return made


def causes(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None:
        found.append(error)
        error = error.__cause__
    return found


def write_noisy(path: Path, seed: int = 0, shape: tuple[int, int, int] = (32, 32, 8)) -> Path:
    """An int16 NIfTI file of a noisy phantom in other units than 0 to 1, its slices along the first axis."""
    image = add_noise(make_phantom(shape, seed), "gaussian", 0.05, seed=seed + 1).numpy() * 1000 - 200
    affine = np.array([[0, 0, 3.0, -10], [1, 0, 0, 5], [0, 1, 0, 7], [0, 0, 0, 1]])[:, [2, 0, 1, 3]]
    nib.save(nib.Nifti1Image(np.round(image.transpose(2, 0, 1)).astype(np.int16), affine), path)
    return path


def command_line(*arguments: str, cwd: Path, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *launcher, "-m", "monai.bundle", "run", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=280)
    if launcher and "terminate called without an active exception" in done.stderr:
        # torch's gloo threads can abort a process that has already done its work (1 of 15 starts before all processes
        # left the group together, 0 of 22 since); once more tells this from a fault of ours, which comes back
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def tiny_flags() -> list[str]:
    return [word for name, value in TINY.items() if name != "device" for word in (f"--{name}", str(value))]

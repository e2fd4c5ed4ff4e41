# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Several training processes, started by torchrun: with nccl on GPUs, with gloo on CPUs."""

from __future__ import annotations

import os

import ignite.distributed as idist
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from monai_diffdenoise.engines.placement import place
from monai_diffdenoise.errors import InputError

__all__ = ["distribute", "process_device", "start_processes", "stop_processes"]


def _local_rank() -> int:
    if "LOCAL_RANK" not in os.environ:
        raise InputError(
            "got no LOCAL_RANK in the environment; expected a start by torchrun --nproc_per_node=N -m monai.bundle run"
        )
    return int(os.environ["LOCAL_RANK"])


def process_device() -> torch.device:
    """This process's own GPU, or the CPU where there is none.

    Raises:
        InputError: not started by torchrun, or more processes than GPUs on this machine.
    """
    rank = _local_rank()
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if rank >= torch.cuda.device_count():
        raise InputError(
            f"got process {rank} on a machine of {torch.cuda.device_count()} GPUs; start one process a GPU"
        )
    return torch.device("cuda", rank)


def start_processes() -> None:
    """Join the process group; doing it again does nothing.

    Every process must come here before any handler of Ignite is made: Ignite finds out about the group at its first
    question, in a collective operation, and would wait for ever if one process alone asked.
    """
    device = process_device()
    if not distributed.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    idist.sync()


def stop_processes() -> None:
    """Leave the process group, if there is one, when all processes have come here.

    A process that is done while another still writes its files would close connections that the other one's threads
    look at, and now and then one of the two aborts at its end.
    """
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
        # Ignite would go on asking the group that is no more
        idist.sync()


def distribute(network: nn.Module, device: str | torch.device) -> DistributedDataParallel:
    """Move a network to this process's device and let its gradients be averaged over all processes.

    Args:
        network: the network; save its own state, not the wrapper's, whose names start with ``module.``.
        device: from :func:`process_device`.

    Returns:
        the wrapped network.
    """
    device = torch.device(device)
    wrapped = DistributedDataParallel(place(network, device), device_ids=[device] if device.type == "cuda" else None)
    # Buffers are constants (masks), sent once at the start. Set, not passed: torch 2.13 renames the argument.
    wrapped.broadcast_buffers = False
    return wrapped

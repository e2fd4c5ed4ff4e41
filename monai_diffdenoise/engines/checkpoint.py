# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that a kill cannot spoil, and resuming from them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events

from monai_diffdenoise.data.atomic import atomic_file
from monai_diffdenoise.errors import InputError

__all__ = ["AtomicCheckpoint", "load_weights", "save_atomically"]

_PATTERN = "state_*.pt"


def save_atomically(content: Mapping[str, Any], path: str | Path) -> None:
    """``torch.save`` to a hidden file, flushed to the disk, then renamed: there is never half a file at ``path``.

    Args:
        content: plain types, tensors, and containers of them.
        path: where; an existing file is replaced.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path, overwrite=True) as stream:
        torch.save(dict(content), stream)


def load_weights(network: torch.nn.Module, path: str | Path) -> torch.nn.Module:
    """Load a plain state dict (``model.pt``) with ``weights_only=True`` and return the network.

    Args:
        network: it gets the weights.
        path: of the file.

    Raises:
        InputError: when there is no such file, it is no state dict, or it fits another network.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"got no file {path}; expected trained weights: train first, or give the right path")
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise InputError(
            f"got {path}, which does not hold this network's weights ({reason}); train again or match the settings"
        ) from error
    return network


class AtomicCheckpoint:
    """Ignite handler that saves everything a run needs to go on, at the end of epochs.

    MONAI's ``CheckpointSaver`` turns Ignite's atomic saving off; this one writes a temporary file, flushes and renames,
    and keeps the last two, so that a run killed at any moment goes on from the last completed epoch with the same
    weights as one that was not.

    Args:
        folder: where the files go; made when missing.
        objects: named things with ``state_dict`` and ``load_state_dict``.
        sampler: its ``start`` is set when resuming, so that the next batch is the one that was due.
        batch_size: samples drawn an iteration by all processes together.
        fingerprint: what the run depends on (settings, input); a checkpoint with another one is refused.
        resume: load the newest checkpoint of the folder, if there is one, when the engine starts.
        keep: how many to keep.
        every: epochs from one to the next.
    """

    def __init__(
        self,
        folder: str | Path,
        objects: Mapping[str, Any],
        sampler: Any = None,
        batch_size: int = 1,
        fingerprint: str = "",
        resume: bool = False,
        keep: int = 2,
        every: int = 1,
    ) -> None:
        self.folder, self.objects, self.sampler, self.batch_size = Path(folder), dict(objects), sampler, batch_size
        self.fingerprint, self.resume, self.keep, self.every = fingerprint, resume, keep, every
        self.logger = logging.getLogger(__name__)

    def attach(self, engine: Engine) -> None:
        """Resume now, if asked to; save after every ``every`` epochs on the first process."""
        if self.resume:
            self.restore(engine)
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.every), self.save)

    def files(self) -> list[Path]:
        """Checkpoints in the folder, newest first."""
        return sorted(self.folder.glob(_PATTERN), reverse=True)

    def save(self, engine: Engine) -> None:
        """Write the state of the engine and of all objects."""
        if idist.get_rank() != 0:
            return
        content = {name: thing.state_dict() for name, thing in self.objects.items()}
        content["engine"] = {"iteration": engine.state.iteration, "epoch": engine.state.epoch}
        content["fingerprint"] = self.fingerprint
        content["random"] = torch.get_rng_state()
        name = f"state_{engine.state.iteration:08d}.pt"
        save_atomically(content, self.folder / name)
        # what claims to be later than this was left by another run, which this one replaces
        kept = [file for file in self.files() if file.name <= name][: self.keep]
        for file in self.files():
            if file not in kept:
                file.unlink(missing_ok=True)
        for half in self.folder.glob(f".{_PATTERN}.*.tmp"):
            # of a run that was killed while it saved
            half.unlink(missing_ok=True)

    def restore(self, engine: Engine) -> bool:
        """Load the newest checkpoint that can be read.

        Returns:
            whether there was one.

        Raises:
            InputError: when it belongs to another input or other settings.
        """
        for file in self.files():
            try:
                content = torch.load(file, map_location="cpu", weights_only=True)
                owner = content["fingerprint"]
            except Exception:
                self.logger.warning("checkpoint %s cannot be read; trying the one before it", file.name)
                continue
            if owner != self.fingerprint:
                raise InputError(
                    f"got a checkpoint of another run in {self.folder}; expected the same input and settings: "
                    "give them again, or start afresh without resuming"
                )
            for name, thing in self.objects.items():
                thing.load_state_dict(content[name])
            torch.set_rng_state(content["random"])
            engine.state.iteration, engine.state.epoch = content["engine"]["iteration"], content["engine"]["epoch"]
            if self.sampler is not None:
                self.sampler.start = engine.state.iteration * self.batch_size
            return True
        return False

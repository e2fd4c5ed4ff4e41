# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A whole training on noisy pairs, put together from the parts of this package."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import LrScheduleHandler, ValidationHandler
from monai.inferers import Inferer
from monai.transforms import Transform
from torch import nn
from torch.optim import AdamW

from monai_diffdenoise.data.pair_dataset import PairDataset, pair_loader
from monai_diffdenoise.engines.best import BestWeights
from monai_diffdenoise.engines.checkpoint import AtomicCheckpoint
from monai_diffdenoise.engines.ema import WeightAverage
from monai_diffdenoise.engines.guard import GradientGuard
from monai_diffdenoise.engines.muon import Muon
from monai_diffdenoise.engines.progress import ProgressCallback, ReportProgress
from monai_diffdenoise.engines.schedule import warmup_cosine
from monai_diffdenoise.engines.trainer import make_evaluator, make_trainer
from monai_diffdenoise.transforms.pairing import Pairing, SliceBlindPair
from monai_diffdenoise.transforms.pairs import RandPaird

__all__ = ["PairTraining", "TrainingOptions"]


@dataclass(frozen=True)
class TrainingOptions:
    """The numbers of a training; the defaults live in ``pipeline.settings``.

    Args:
        iterations: optimizer steps in all, rounded up to whole epochs.
        epoch_length: steps from one validation and checkpoint to the next.
        batch_size: pairs a step.
        patch_size: side of the patches in pixels.
        learning_rate: peak of the warmup-cosine schedule.
        weight_decay: decoupled.
        ema_decay: long-run decay of the averaged weights.
        validation_pairs: held-out patches a validation, each up to four times the area of a training patch.
        patience: validations without a new best before stopping; 0 never stops.
        num_workers: processes that draw pairs.
        seed: of weights and pairs.
        amp: bfloat16 on a CUDA GPU.
        compile: ``torch.compile``.
        optimizer: "muon" (:class:`~monai_diffdenoise.engines.Muon`) or "adamw".
    """

    iterations: int
    epoch_length: int
    batch_size: int
    patch_size: int
    learning_rate: float
    weight_decay: float
    ema_decay: float
    validation_pairs: int
    patience: int
    num_workers: int
    seed: int
    amp: bool
    compile: bool
    optimizer: Literal["muon", "adamw"] = "muon"


class PairTraining:
    """Train a network on the pairs of some volumes.

    Args:
        network: the network, on ``device``.
        volumes: dictionaries with ``image`` (C, *S), normalised or with the ``scaling`` that normalises it, and,
            optionally, ``weight`` (1, *S).
        pairing: makes pairs of them.
        loss_function: called with (what the inferer returned, the pair).
        inferer: asks the network; see ``inferers.pair``.
        options: the numbers.
        device: where to train.
        folder: for checkpoints; None writes none.
        fingerprint: what the run depends on, kept with the checkpoints.
        resume: go on from the newest checkpoint in ``folder``.
        progress: called with ("training", iterations done, iterations in all).
        after: what is done to each pair of the pairing, in training and validation alike; see
            :func:`~monai_diffdenoise.transforms.make_pairing`.
        make_pairs: called as ``RandPaird`` is, to draw the pairs; one that needs other keys of the volumes.
        held_out_pairing: makes the pairs that choose the weights; ``pairing`` when None. Where training targets share
            their noise with the image, held-out ones must not.
        held_out_volumes: what these pairs are made of; ``volumes`` when None.
        held_out_inferer: asks the averaged network for its result, to be scored; ``network(image)`` when None.
    """

    def __init__(
        self,
        network: nn.Module,
        volumes: Sequence[Mapping[str, Any]],
        pairing: Pairing,
        loss_function: nn.Module,
        inferer: Inferer,
        options: TrainingOptions,
        device: torch.device,
        folder: Path | None = None,
        fingerprint: str = "",
        resume: bool = False,
        progress: ProgressCallback | None = None,
        after: Transform | None = None,
        make_pairs: Callable[..., RandPaird] = RandPaird,
        held_out_pairing: Pairing | None = None,
        held_out_volumes: Sequence[Mapping[str, Any]] | None = None,
        held_out_inferer: Inferer | None = None,
    ) -> None:
        epochs = -(-options.iterations // options.epoch_length)
        train = make_pairs(pairing, patch_size=options.patch_size, after=after)
        loader = pair_loader(
            PairDataset(volumes, train, seed=options.seed),
            batch_size=options.batch_size,
            iterations=epochs * options.epoch_length,
            num_workers=options.num_workers,
        )
        # no larger than the slices: padding would change what the network's normalisation sees
        largest = max(max(pairing.stack(volume["image"]).shape[2:]) for volume in volumes)
        side = max(min(2 * options.patch_size, largest), options.patch_size)
        held_out = make_pairs(
            held_out_pairing or pairing, patch_size=side, part="validation", augment=False, after=after
        )
        checks = pair_loader(
            PairDataset(held_out_volumes or volumes, held_out, seed=options.seed + 1),
            4,
            max(options.validation_pairs // 4, 1),
        )

        make = {"muon": Muon, "adamw": AdamW}[options.optimizer]
        optimizer = make(network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
        schedule = warmup_cosine(optimizer, epochs * options.epoch_length)
        self.average = WeightAverage(network, options.ema_decay)
        self.guard = GradientGuard(network)
        self.best = BestWeights(self.average, patience=options.patience)
        self.evaluator: SupervisedEvaluator = make_evaluator(
            self.average.network,
            checks,
            [self.best],
            inferer=held_out_inferer,
            device=device,
            amp=options.amp,
            # the neighbors nearest to a slice that is not seen itself
            input_channels=pairing.base_channels if isinstance(pairing, SliceBlindPair) else None,
        )
        handlers: list[Any] = [
            self.guard,
            self.average,
            LrScheduleHandler(schedule, print_lr=False, epoch_level=False),  # type: ignore[arg-type]
            ValidationHandler(1, self.evaluator),
        ]
        if progress is not None:
            handlers.append(ReportProgress(progress))
        if folder is not None:
            parts: dict[str, Any] = {
                "network": network,
                "average": self.average,
                "guard": self.guard,
                "best": self.best,
                "optimizer": optimizer,
                "schedule": schedule,
            }
            if hasattr(inferer, "state_dict"):
                # one that draws numbers goes on with those that are due
                parts["inferer"] = inferer
            handlers.append(
                AtomicCheckpoint(folder, parts, loader.sampler, options.batch_size, fingerprint, resume=resume)
            )
        self.trainer: SupervisedTrainer = make_trainer(
            network=network,
            optimizer=optimizer,
            loss_function=loss_function,
            train_data_loader=loader,
            max_epochs=epochs,
            epoch_length=options.epoch_length,
            inferer=inferer,
            train_handlers=handlers,
            device=device,
            amp=options.amp,
            compile=options.compile,
        )
        self.best.trainer = self.trainer

    def run(self) -> nn.Module:
        """Train, or go on training, and return the averaged network with the best weights."""
        # a resumed run may have been at its end, by the number of epochs or by patience
        if self.trainer.state.epoch < self.trainer.state.max_epochs and not self.best.exhausted:
            self.trainer.run()
        return self.best.load_into(self.average.network)

    def scores(self) -> dict[str, Any]:
        """What the run knows of itself: plain numbers for the report."""
        return {
            "iterations": int(self.trainer.state.iteration),
            "skipped_iterations": self.guard.skipped,
            "pair_error": self.best.score,
            "input_error": self.best.metrics.get("input_error", math.nan),
            "best_validation": self.best.evaluation,
            "validations": list(self.best.history),
        }

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One trainer and one evaluator for every method: what differs is in the pairs, the inferer and the loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.inferers import Inferer
from torch import nn
from torch.optim import Optimizer

from monai_diffdenoise.engines.prepare import PreparePair
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers.pair import PairInferer
from monai_diffdenoise.metrics.pair_error import PairError

__all__ = ["default_device", "make_evaluator", "make_trainer"]


def default_device(name: str = "auto") -> torch.device:
    """The device of a name; ``auto`` is the first CUDA GPU, else Apple's, else the CPU.

    Raises:
        InputError: for a name that torch does not know or a device that is not there.
    """
    if name != "auto":
        try:
            device = torch.device(name)
            torch.ones(1, device=device).item()
        except (RuntimeError, AssertionError, ImportError) as error:
            raise InputError(
                f"got device {name!r}, which cannot be used here; expected auto, cpu or a GPU that is there"
            ) from error
        return device
    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")


def _amp_arguments(amp: bool, device: torch.device) -> dict[str, Any]:
    # bfloat16 has float32's range, so that nothing over- or underflows and the loss needs no scaling
    use = amp and device.type == "cuda"
    return {"amp": use, "amp_kwargs": {"dtype": torch.bfloat16} if use else None}


def make_trainer(
    network: nn.Module,
    optimizer: Optimizer,
    loss_function: Callable[..., torch.Tensor],
    train_data_loader: Iterable,
    max_epochs: int,
    epoch_length: int,
    inferer: Inferer | None = None,
    train_handlers: Sequence[Any] = (),
    device: str | torch.device = "auto",
    amp: bool = True,
    compile: bool = False,
) -> SupervisedTrainer:
    """MONAI's trainer on noisy pairs.

    Args:
        network: on ``device`` already.
        optimizer: of the network's parameters.
        loss_function: called with (what the inferer returned, the pair).
        train_data_loader: yields pairs; see :func:`~monai_diffdenoise.data.pair_loader`.
        max_epochs: number of epochs.
        epoch_length: iterations an epoch, the rhythm of validation and checkpoints.
        inferer: called with (image, network, pair=pair); by default ``network(image)``.
        train_handlers: Ignite handlers, attached in this order.
        device: where to train.
        amp: bfloat16 autocast on a CUDA GPU.
        compile: ``torch.compile`` the network.
    """
    device = default_device(str(device))
    return SupervisedTrainer(
        device=device,
        max_epochs=max_epochs,
        epoch_length=epoch_length,
        train_data_loader=train_data_loader,
        network=network,
        optimizer=optimizer,
        loss_function=loss_function,
        prepare_batch=PreparePair(),
        inferer=inferer if inferer is not None else PairInferer(),
        train_handlers=list(train_handlers),
        decollate=False,
        optim_set_to_none=True,
        compile=compile,
        **_amp_arguments(amp, device),
    )


def make_evaluator(
    network: nn.Module,
    val_data_loader: Iterable,
    val_handlers: Sequence[Any] = (),
    key_val_metric: dict[str, Any] | None = None,
    inferer: Inferer | None = None,
    device: str | torch.device = "auto",
    amp: bool = True,
    input_channels: Sequence[int] | None = None,
) -> SupervisedEvaluator:
    """MONAI's evaluator on held-out noisy pairs; the lower its key metric, the better.

    Args:
        network: usually the averaged weights, ``WeightAverage.network``.
        val_data_loader: yields held-out pairs.
        val_handlers: Ignite handlers, attached in this order.
        key_val_metric: by default ``pair_error``; beside it ``input_error``, the same of the noisy image, is measured.
        inferer: called with (image, network, pair=pair); by default ``network(image)``.
        device: where to evaluate.
        amp: bfloat16 autocast on a CUDA GPU.
        input_channels: what ``input_error`` looks at, see :class:`~monai_diffdenoise.metrics.PairError`.
    """
    device = default_device(str(device))
    return SupervisedEvaluator(
        device=device,
        val_data_loader=val_data_loader,
        network=network,
        prepare_batch=PreparePair(),
        inferer=inferer if inferer is not None else PairInferer(),
        key_val_metric=key_val_metric if key_val_metric is not None else {"pair_error": PairError()},
        additional_metrics={"input_error": PairError(identity=True, channels=input_channels)},
        metric_cmp_fn=lambda new, best: new < best,
        val_handlers=list(val_handlers),
        decollate=False,
        **_amp_arguments(amp, device),
    )

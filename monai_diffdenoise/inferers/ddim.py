# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The deterministic reverse step of DDIM (Song et al., arXiv 2010.02502), from one told time to another told time.

MONAI 1.6's ``DDIMScheduler.step`` goes back by T // n from wherever it is, while its ``set_timesteps`` spaces the
times otherwise: with fewer steps than T, the state is left at one noise level and the network is told another.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch

from monai_diffdenoise.errors import InputError

__all__ = [
    "PredictionType",
    "Spacing",
    "ddim_step",
    "estimate_start",
    "expected_output",
    "noise_level",
    "timestep_schedule",
]

PredictionType = Literal["v_prediction", "sample", "epsilon"]
"""What the network gives, by MONAI's names: the velocity, the image at time 0, or the noise."""

Spacing = Literal["trailing", "leading", "linspace"]
"""How few times are spread over many; "trailing" begins at the last one, whose state is nearest to pure noise."""


def noise_level(alphas_cumprod: torch.Tensor, t: int) -> tuple[float, float]:
    """Shares of the image and of the noise in the state at time t.

    Args:
        alphas_cumprod: (T,), the scheduler's.
        t: 0 to T - 1, or -1 for the image itself.

    Returns:
        sqrt(abar_t) and sqrt(1 - abar_t).

    Raises:
        InputError: another time.
    """
    if not -1 <= t < len(alphas_cumprod):
        raise InputError(f"got time {t}; expected -1 (the image itself) to {len(alphas_cumprod) - 1}")
    share = 1.0 if t < 0 else float(alphas_cumprod[t])
    return math.sqrt(share), math.sqrt(1.0 - share)


def _known(prediction_type: str) -> None:
    if prediction_type not in get_args(PredictionType):
        raise InputError(f"got prediction_type={prediction_type!r}; expected one of {get_args(PredictionType)}")


def estimate_start(
    sample: torch.Tensor,
    model_output: torch.Tensor,
    t: int,
    alphas_cumprod: torch.Tensor,
    prediction_type: PredictionType = "v_prediction",
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network says of the state: its image at time 0 and its noise, unclipped, both of its shape.

    Args:
        sample: the state x_t.
        model_output: what the network gave for it.
        t: its time, 0 to T - 1.
        alphas_cumprod: (T,).
        prediction_type: what the network gives.

    Raises:
        InputError: an unknown prediction type, or a time outside the schedule.
    """
    _known(prediction_type)
    image, noise = noise_level(alphas_cumprod, t)
    if prediction_type == "epsilon":
        return (sample - noise * model_output) / image, model_output
    if prediction_type == "sample":
        return model_output, (sample - image * model_output) / noise
    return image * sample - noise * model_output, image * model_output + noise * sample


def expected_output(
    start: torch.Tensor, noise: torch.Tensor, image_share: torch.Tensor, prediction_type: PredictionType
) -> torch.Tensor:
    """What a perfect network would give for the state sqrt(abar) start + sqrt(1 - abar) noise.

    Args:
        start: the image at time 0, (B, C, *S).
        noise: of the same shape, standard deviation 1.
        image_share: sqrt(abar), broadcastable to ``start``.
        prediction_type: what the network gives.

    Raises:
        InputError: an unknown prediction type.
    """
    _known(prediction_type)
    if prediction_type == "epsilon":
        return noise
    if prediction_type == "sample":
        return start
    return image_share * noise - (1 - image_share.square()).clamp_min(0).sqrt() * start


def ddim_step(
    sample: torch.Tensor,
    model_output: torch.Tensor,
    t: int,
    t_prev: int,
    alphas_cumprod: torch.Tensor,
    prediction_type: PredictionType = "v_prediction",
) -> torch.Tensor:
    r"""Go from the state at time t to that at time t_prev.

    .. math:: x_{t'} = \sqrt{\bar\alpha_{t'}}\, \hat x_0 + \sqrt{1 - \bar\alpha_{t'}}\, \hat\epsilon

    Nothing is random and nothing is clipped: an odd function of the state stays one, which is what the average of a
    symmetric pair rests on.

    Args:
        sample: the state x_t, float32 or float64.
        model_output: what the network gave for it.
        t: its time, 0 to T - 1.
        t_prev: where to go, below t; -1 is the image itself.
        alphas_cumprod: (T,).
        prediction_type: what the network gives.

    Returns:
        the state at t_prev, of the shape of ``sample``.

    Raises:
        InputError: times that are not in this order or outside the schedule, or an unknown prediction type.
    """
    if t_prev >= t:
        raise InputError(f"got t={t} and t_prev={t_prev}; expected to go back in time")
    start, noise = estimate_start(sample, model_output, t, alphas_cumprod, prediction_type)
    to_image, to_noise = noise_level(alphas_cumprod, t_prev)
    return to_image * start + to_noise * noise


def timestep_schedule(
    num_train_timesteps: int,
    num_inference_steps: int,
    spacing: Spacing = "trailing",
    start: int | None = None,
    earliest: int = 0,
) -> list[tuple[int, int]]:
    """The steps (t, t_prev) of a run, from its first time to the image itself (-1).

    Args:
        num_train_timesteps: T.
        num_inference_steps: n, 1 to the number of times.
        spacing: "trailing": from the last time on, evenly; "leading": evenly, down to the earliest; "linspace": from
            the last time to the earliest. With one step, "linspace" is "trailing".
        start: the last time, at which the run starts; None is T - 1.
        earliest: the earliest time at which the network is asked, from where the run ends at its estimate of the image;
            for a network that was trained on later times alone.

    Raises:
        InputError: a number outside these ranges, or another spacing.
    """
    last = num_train_timesteps - 1 if start is None else start
    if spacing not in get_args(Spacing):
        raise InputError(f"got spacing={spacing!r}; expected one of {get_args(Spacing)}")
    count, n = last + 1 - earliest, num_inference_steps
    if not 0 <= earliest <= last < num_train_timesteps or not 1 <= n <= count:
        raise InputError(
            f"got {n} steps from time {last} to {earliest} of {num_train_timesteps}; "
            "expected times of the schedule in this order, and at least one step and at most one a time"
        )
    if spacing == "trailing" or n == 1 and spacing == "linspace":
        times = [(2 * count * (n - k) + n) // (2 * n) - 1 for k in range(n)]
    elif spacing == "leading":
        times = [(count // n) * k for k in reversed(range(n))]
    else:
        times = [(2 * (count - 1) * (n - 1 - k) + n - 1) // (2 * (n - 1)) for k in range(n)]
    times = [earliest + t for t in times]
    return list(zip(times, [*times[1:], -1], strict=True))

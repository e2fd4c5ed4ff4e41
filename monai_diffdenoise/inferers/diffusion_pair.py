# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a conditional diffusion model is asked while it is trained on noisy pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ignite.distributed as idist
import torch
from monai.inferers import Inferer
from monai.networks.schedulers import Scheduler

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers.ddim import PredictionType, expected_output
from monai_diffdenoise.inferers.diffusion_state import DiffusionState
from monai_diffdenoise.transforms.noise.seeds import derive_seed

__all__ = ["DiffusionPairInferer", "add_condition_noise"]


def add_condition_noise(
    condition: torch.Tensor, strength: float | Sequence[float], noise: Callable[[torch.Size], torch.Tensor]
) -> torch.Tensor:
    """Put white noise on the condition, so that a network cannot read from it what was hidden in it.

    Args:
        condition: (B, C, *S).
        strength: standard deviation in normalised units, of all channels or of each.
        noise: draws numbers of standard deviation 1, of a shape.

    Raises:
        InputError: a negative strength, or another number of them than channels.
    """
    strengths = [float(strength)] if isinstance(strength, (int, float)) else [float(one) for one in strength]
    if len(strengths) not in (1, condition.shape[1]) or min(strengths) < 0:
        raise InputError(
            f"got condition noise {strength} for {condition.shape[1]} channels; expected one number or one for each, "
            "at least 0"
        )
    if not any(strengths):
        return condition
    scale = condition.new_tensor(strengths).reshape(1, -1, *[1] * (condition.dim() - 2))
    return condition + scale * noise(condition.shape).to(condition)


class DiffusionPairInferer(Inferer):
    """Ask a network for the way back from a diffused target, given the pair's image.

    The target's state at random times, one for each part of the schedule so that a batch covers all of it, is put in
    front of the condition. What is drawn depends on the seed, the process and the number of the call alone; the number
    belongs to the checkpoint (``state_dict``), so that a resumed run draws what was due.

    Args:
        scheduler: MONAI's, for its noise levels and, unless given, its prediction type.
        state: what is diffused.
        condition_noise: see :func:`add_condition_noise`; a new draw each time.
        antithetic: diffuse each target with a noise and with its opposite, which doubles the batch.
        prediction_type: what the network gives; the scheduler's when None.
        times: shares of the schedule between which times are drawn, 0 to 1.
        seed: of all that is drawn.

    Returns:
        when called: dictionary with ``output``, what the network gave; ``expected``, what it should have given;
        and ``snr``, abar / (1 - abar), (B, 1, ...); B is twice the pair's with ``antithetic``.

    Raises:
        InputError: times that are not in order.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        state: DiffusionState | None = None,
        condition_noise: float | Sequence[float] = 0.0,
        antithetic: bool = False,
        prediction_type: PredictionType | None = None,
        times: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
    ) -> None:
        if not 0 <= times[0] < times[1] <= 1:
            raise InputError(f"got times {times}; expected two shares of the schedule in order, 0 to 1")
        # a copy, since the scheduler changes its own to the type and device of whatever it is given
        self.alphas_cumprod = scheduler.alphas_cumprod.detach().double().cpu().clone()
        self.prediction_type: PredictionType = prediction_type or str(scheduler.prediction_type)  # type: ignore[assignment]
        self.state = state if state is not None else DiffusionState()
        self.condition_noise, self.antithetic, self.times, self.seed = condition_noise, antithetic, tuple(times), seed
        self.calls = 0

    def draw_times(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """(count,) times, each in another part of the range, in random order.

        Args:
            count: how many.
            generator: what they are drawn with.
        """
        total, (low, high) = len(self.alphas_cumprod), self.times
        places = (torch.arange(count) + torch.rand(count, generator=generator)) / count
        drawn = ((low + (high - low) * places) * total).long().clamp(0, total - 1)
        return drawn[torch.randperm(count, generator=generator)]

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        *args: Any,
        pair: dict[str, torch.Tensor] | None = None,
        **kwargs: Any,
    ) -> dict[str, torch.Tensor]:
        if pair is None:
            raise ValueError("DiffusionPairInferer needs the pair as a keyword; PreparePair passes it")
        generator = torch.Generator().manual_seed(derive_seed(self.seed, idist.get_rank(), self.calls))
        self.calls += 1
        start = self.state.encode(pair["target"], inputs)
        timesteps = self.draw_times(len(start), generator)
        noise = torch.randn(start.shape, generator=generator).to(start)
        condition = add_condition_noise(
            inputs, self.condition_noise, lambda shape: torch.randn(shape, generator=generator)
        )
        shown = self.state.show(condition)
        share = self.alphas_cumprod[timesteps].reshape(-1, *[1] * (start.dim() - 1))
        snr, image = (share / (1 - share)).to(start), share.sqrt().to(start)
        hidden = (1 - share).sqrt().to(start)
        if self.antithetic:
            start, image, hidden, snr, shown = (torch.cat([part, part]) for part in (start, image, hidden, snr, shown))
            noise, timesteps = torch.cat([noise, -noise]), torch.cat([timesteps, timesteps])
        state = image * start + hidden * noise
        output = network(torch.cat([state, shown], dim=1), timesteps=timesteps.to(state.device))
        return {"output": output, "expected": expected_output(start, noise, image, self.prediction_type), "snr": snr}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold of this."""
        return {"calls": self.calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.calls = int(state["calls"])

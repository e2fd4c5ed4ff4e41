# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Symmetric reverse diffusion sampling: the mean over symmetric pairs of draws (DiffDenoise, arXiv 2504.00264).

A diffusion model trained on noisy images gives noisy images. Two that start from opposite noise err in opposite
directions about the mean of what the condition allows; where that law is symmetric, their average is the mean, exactly,
for any number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Literal, get_args

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.networks.schedulers import Scheduler

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers.blending import blended
from monai_diffdenoise.inferers.ddim import PredictionType, Spacing, ddim_step, noise_level, timestep_schedule
from monai_diffdenoise.inferers.diffusion_pair import add_condition_noise
from monai_diffdenoise.inferers.diffusion_state import DiffusionState
from monai_diffdenoise.transforms.noise.seeds import derive_seed

__all__ = ["SRDSInferer"]

Start = Literal["noise", "condition", "noisy"]


class SRDSInferer(Inferer):
    """Draw symmetric pairs from a conditional diffusion model and average them.

    Plus and minus run in one batch, with the same condition. All noise belongs to a place (a slice's number) and the
    number of the pair, not to a batch: neither batch size nor tiling changes it. Nothing is clipped.

    Args:
        scheduler: MONAI's, for its noise levels and, unless given, its prediction type. Its own ``step`` is not used.
        num_inference_steps: evaluations of the network a draw.
        num_pairs: symmetric pairs to average.
        state: what is diffused; as in training.
        condition_noise: see :func:`~monai_diffdenoise.inferers.diffusion_pair.add_condition_noise`; as in training. One
            draw is shared by plus and minus and stays the same along the way; each pair has its own.
        start: what the noise is put on at the first time: "noise": nothing, as published; "condition": the condition's
            estimate; "noisy": the noisy image. The last two need a first time at which something of it is left.
        start_timestep: the first time, 0 to T - 1; None is T - 1, pure noise.
        earliest_timestep: the last time at which the network is asked; 0 unless it was trained on later ones alone.
        spacing: see :func:`~monai_diffdenoise.inferers.timestep_schedule`.
        prediction_type: what the network gives; the scheduler's when None.
        seed: of all noise.
        symmetric: False draws two independent samples for each pair, for comparison.
        batch_size: images (or tiles) a pass; the network sees twice as many.
        tile: largest side of a tile in pixels; larger images are cut into overlapping tiles, blended by Gaussians.
        overlap: share of the tile that neighbors share, 0 to below 1.
        amp: bfloat16 autocast on a GPU; ignored on a CPU. States stay float32.

    Raises:
        InputError: for an argument outside the ranges above.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        num_inference_steps: int = 10,
        num_pairs: int = 1,
        state: DiffusionState | None = None,
        condition_noise: float | Sequence[float] = 0.0,
        start: Start = "condition",
        start_timestep: int | None = None,
        earliest_timestep: int = 0,
        spacing: Spacing = "trailing",
        prediction_type: PredictionType | None = None,
        seed: int = 0,
        symmetric: bool = True,
        batch_size: int = 8,
        tile: int = 512,
        overlap: float = 0.25,
        amp: bool = True,
    ) -> None:
        if num_pairs < 1 or batch_size < 1 or tile < 16 or not 0 <= overlap < 1 or start not in get_args(Start):
            raise InputError(
                f"got num_pairs={num_pairs}, batch_size={batch_size}, tile={tile}, overlap={overlap}, start={start!r}; "
                f"expected at least 1, 1 and 16, 0 to below 1, one of {get_args(Start)}"
            )
        self.alphas_cumprod = scheduler.alphas_cumprod.detach().double().cpu().clone()
        self.prediction_type: PredictionType = prediction_type or str(scheduler.prediction_type)  # type: ignore[assignment]
        self.steps = timestep_schedule(
            len(self.alphas_cumprod), num_inference_steps, spacing, start_timestep, earliest_timestep
        )
        self.state = state if state is not None else DiffusionState()
        self.num_pairs, self.condition_noise, self.start = num_pairs, condition_noise, start
        self.seed, self.symmetric = seed, symmetric
        self.batch_size, self.tile, self.overlap, self.amp = batch_size, tile, overlap, amp

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        *args: Any,
        condition: torch.Tensor | None = None,
        places: Sequence[int] | None = None,
        return_stats: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Denoise a batch of images in normalised units.

        Args:
            inputs: the noisy images (B, C, *S). Without ``condition`` they are the condition, as in a pair's
                ``image``, and C is 1.
            network: called with (state and condition, in units of the state, side by side, ``timesteps=``).
            args: ignored; MONAI's engines may pass them.
            condition: (B, C', *S), its first C channels an estimate of the image.
            places: a number for each image, which decides its noise; 0, 1, 2, ... when None.
            return_stats: also return the spread.
            kwargs: ignored, like ``args``.

        Returns:
            the mean over all draws (B, C, *S), float32; with ``return_stats`` a tuple of it and of the standard
            deviation of the draws, which shows what the condition leaves open, noise included.

        Raises:
            InputError: shapes or numbers of places that do not fit, or the start "noisy" without a condition.
        """
        if condition is None:
            if self.start == "noisy":
                raise InputError("got no condition; expected one beside the noisy image to start from")
            condition, inputs = inputs, inputs[:, :1]
        plain, known = (part.as_subclass(torch.Tensor).float() for part in (inputs, condition))
        places = list(range(len(plain))) if places is None else list(places)
        if plain.shape[2:] != known.shape[2:] or not len(plain) == len(known) == len(places):
            raise InputError(
                f"got images {tuple(plain.shape)}, a condition {tuple(known.shape)} and {len(places)} places; "
                "expected the same size, and as many of each"
            )
        was_training = getattr(network, "training", False)
        if isinstance(network, torch.nn.Module):
            network.eval()
        try:
            mean, spread = self._run(plain, known, network, places)
        finally:
            if isinstance(network, torch.nn.Module):
                network.train(was_training)
        if isinstance(inputs, MetaTensor):
            mean, spread = (MetaTensor(part).copy_meta_from(inputs) for part in (mean, spread))
        return (mean, spread) if return_stats else mean

    @torch.no_grad()
    def _run(
        self, images: torch.Tensor, condition: torch.Tensor, network: Callable[..., torch.Tensor], places: list[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        mean, spread = torch.empty_like(images), torch.empty_like(images)
        for first in range(0, len(images), self.batch_size):
            part = slice(first, first + self.batch_size)
            mean[part], spread[part] = self._average(images[part], condition[part], network, places[part])
        return mean, spread

    def _average(
        self, images: torch.Tensor, condition: torch.Tensor, network: Callable[..., torch.Tensor], places: list[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of all draws for some images."""
        mean, squares = torch.zeros_like(images), torch.zeros_like(images)
        for pair in range(self.num_pairs):
            for side, state in enumerate(self._pair(images, condition, network, places, pair)):
                # Welford's update: the difference of two large sums would hold no small spread
                change = state - mean
                mean += change / (2 * pair + side + 1)
                squares += change * (state - mean)
        spread = (squares / (2 * self.num_pairs)).sqrt()
        return self.state.decode(mean, condition), self.state.scale * spread

    def draw(self, what: str, shape: Sequence[int], places: Sequence[int], pair: int) -> torch.Tensor:
        """Noise (B, ...) for some places: the same for a place whatever it is drawn with.

        Args:
            what: the noise is for, a name; other names give other noise.
            shape: of the noise, (B, ...).
            places: B of them, such as the indices of slices.
            pair: number of the symmetric pair.
        """
        drawn = []
        for place in places:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, what, place, pair))
            drawn.append(torch.randn(tuple(shape[1:]), generator=generator))
        return torch.stack(drawn)

    def _pair(
        self,
        images: torch.Tensor,
        condition: torch.Tensor,
        network: Callable[..., torch.Tensor],
        places: list[int],
        pair: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The states at time -1 of plus and minus."""
        plus = self.draw("state", images.shape, places, pair).to(images)
        minus = -plus if self.symmetric else self.draw("other", images.shape, places, pair).to(images)
        share, noise = noise_level(self.alphas_cumprod, self.steps[0][0])
        start: torch.Tensor | float = 0.0
        if self.start != "noise":
            estimate = condition[:, : images.shape[1]] if self.start == "condition" else images
            start = share * self.state.encode(estimate, condition)
        noisy = add_condition_noise(
            condition, self.condition_noise, lambda shape: self.draw("condition", shape, places, pair)
        )
        shown = self.state.show(noisy)
        # noise and condition of the whole image are cut into tiles together, so that overlapping tiles agree
        both = torch.cat([start + noise * plus, start + noise * minus, shown], dim=1)
        channels = images.shape[1]

        def window(stack: torch.Tensor) -> torch.Tensor:
            plus, minus, shown = stack[:, :channels], stack[:, channels : 2 * channels], stack[:, 2 * channels :]
            ends = self._sample(torch.cat([plus, minus]), torch.cat([shown, shown]), network)
            return torch.cat(ends.chunk(2), dim=1)

        roi = [min(self.tile, side) for side in images.shape[2:]]
        if any(side > part for side, part in zip(images.shape[2:], roi, strict=True)):
            ends = torch.as_tensor(blended(window, roi, self.batch_size, self.overlap)(both))
        else:
            ends = window(both)
        plus, minus = ends.chunk(2, dim=1)
        return plus, minus

    def _sample(
        self, state: torch.Tensor, condition: torch.Tensor, network: Callable[..., torch.Tensor]
    ) -> torch.Tensor:
        """From the states at the first time to those at time -1, without any further noise."""
        amp = self.amp and state.device.type == "cuda"
        for t, t_prev in self.steps:
            told = torch.full((len(state),), t, dtype=torch.long, device=state.device)
            with torch.autocast("cuda", torch.bfloat16) if amp else nullcontext():
                output = network(torch.cat([state, condition], dim=1), timesteps=told)
            state = ddim_step(state, output.to(state.dtype), t, t_prev, self.alphas_cumprod, self.prediction_type)
        return state

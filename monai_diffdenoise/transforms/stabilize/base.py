# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What every variance-stabilizing transform offers: forward, the exact unbiased inverse, the algebraic inverse."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, ClassVar

import torch
from monai.data import MetaTensor

from monai_diffdenoise.errors import InputError

__all__ = ["Stabilizer", "check_number"]

# Float64 intermediates of a large volume would take many times its memory.
_CHUNK = 2**20


def check_number(name: str, value: Any, low: float, high: float = math.inf, above: bool = False) -> float:
    """Return a parameter as a float, or raise InputError.

    Args:
        name: of the parameter.
        value: what was given.
        low: lowest value.
        high: highest value; without end, any finite one.
        above: the lowest value itself is refused.
    """
    number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    if math.isfinite(number) and (low < number if above else low <= number) and number <= high:
        return number
    span = f"above {low:g}" if above else f"from {low:g}" if math.isfinite(low) else "that is finite"
    raise InputError(f"got {name}={value!r}; expected a number {span}{f' to {high:g}' if math.isfinite(high) else ''}")


@dataclass(frozen=True)
class Stabilizer(ABC):
    """A curve that gives signal-dependent noise the standard deviation 1, and its inverses.

    All maps take a tensor of any shape and return one of that shape: float64 for float64, else float32, computed in
    float64. A MetaTensor stays one, with its affine and history. Finite values stay finite unless they overflow, NaN
    stays NaN. Each map can be differentiated. Two instances with equal parameters are equal.
    """

    kind: ClassVar[str]
    """Name of the noise model in JSON."""

    noise_std: ClassVar[float] = 1.0
    """What the noise's standard deviation becomes where the signal is not too weak; the subclass says how near."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Stabilize.

        Args:
            image: noisy, in the units of the parameters.

        Returns:
            Units of the noise's standard deviation; strictly increasing in the image; no signal becomes 0.
        """
        return _apply(self._forward, image)

    def inverse(self, stabilized: torch.Tensor, remaining: float | torch.Tensor = 0.0) -> torch.Tensor:
        """Exact unbiased inverse: from E[forward(y) | x] to x, the noise-free signal.

        The curve bends, so that the mean of forward(y) is not forward(x). This inverse allows for it as if all noise
        had been removed. An image that still holds all of its noise needs :meth:`algebraic_inverse`; in between,
        ``remaining`` leads from the one to the other.

        Args:
            stabilized: denoised.
            remaining: share of the noise's variance that is left, 0 to 1: one number, or a map that broadcasts to the
                image. 0 is the exact unbiased inverse, 1 the algebraic one.

        Raises:
            InputError: a remaining share outside 0 to 1.
        """
        if isinstance(remaining, (int, float)) and remaining == 0:
            return _apply(self._unbiased_inverse, stabilized)
        share = torch.as_tensor(remaining, dtype=torch.float64, device=stabilized.device).as_subclass(torch.Tensor)
        low, high = (float(share.min()), float(share.max())) if share.numel() else (0.0, 0.0)
        if not (low >= 0 and high <= 1):
            raise InputError(f"got a remaining share from {low:g} to {high:g}; expected 0 (denoised) to 1 (untouched)")

        def between(values: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
            correction = self._forward(self._unbiased_inverse(values)) - values
            return self._algebraic_inverse(values + (1 - part) * correction)

        return _apply(between, stabilized, share.expand(stabilized.shape))

    def algebraic_inverse(self, stabilized: torch.Tensor) -> torch.Tensor:
        """Undo :meth:`forward`: a voxel that nobody touched comes back, to rounding."""
        return _apply(self._algebraic_inverse, stabilized)

    def to_dict(self) -> dict[str, Any]:
        """Kind and parameters, ready for JSON."""
        return {"kind": self.kind, **asdict(self)}

    @abstractmethod
    def _forward(self, image: torch.Tensor) -> torch.Tensor:
        """Stabilize a float64 tensor (N,)."""

    @abstractmethod
    def _algebraic_inverse(self, stabilized: torch.Tensor) -> torch.Tensor:
        """Undo ``_forward`` on a float64 tensor (N,)."""

    @abstractmethod
    def _unbiased_inverse(self, stabilized: torch.Tensor) -> torch.Tensor:
        """From E[forward(y) | x] to x on a float64 tensor (N,)."""


def _apply(function: Callable[..., torch.Tensor], image: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
    """A pointwise function of one or more tensors of one shape, in float64, some voxels at a time."""
    dtype = torch.float64 if image.dtype == torch.float64 else torch.float32
    columns = [tensor.as_subclass(torch.Tensor).reshape(-1).split(_CHUNK) for tensor in (image, *more)]
    parts = [function(*(part.double() for part in row)).to(dtype) for row in zip(*columns)]
    result = torch.cat(parts).reshape(image.shape)
    return MetaTensor(result).copy_meta_from(image) if isinstance(image, MetaTensor) else result

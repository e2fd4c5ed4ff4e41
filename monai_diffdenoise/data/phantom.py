# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A head-like phantom, exact to the last bit for a seed, and the noise to put on it.

Its structure is fine and goes on from slice to slice, as in a scan with close slices: nested ellipsoids, a folded
cortex, thin tilted vessels, small lesions and inserts of low contrast. Edges are one voxel wide (partial volume).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from monai_diffdenoise.data.memory import volume_from_array
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.kinds import NOISE_KINDS, noise_model
from monai_diffdenoise.transforms.noise.model import NoiseModel
from monai_diffdenoise.transforms.noise.rician import RicianNoise

__all__ = ["NOISE_KINDS", "add_noise", "make_phantom", "phantom_noise", "phantom_volume"]

_VESSELS, _LESIONS, _INSERTS = 12, 10, 6


def make_phantom(shape: Sequence[int] = (96, 96, 40), seed: int = 0) -> torch.Tensor:
    """Draw the phantom.

    Args:
        shape: voxels along x, y and z; slices lie along z. Voxels are cubes, and the head fills x and y; a volume with
            few slices is a slab through its middle.
        seed: another seed, another head.

    Returns:
        float32 (X, Y, Z), 0 (air) to 1 (vessels).

    Raises:
        InputError: not three sizes above 0.
    """
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"phantom shape is {tuple(shape)}: expected three sizes of at least 1, such as 96 96 40")
    rng = np.random.default_rng(seed)
    grid = _Grid.of(shape)
    image = np.zeros(tuple(shape), dtype=np.float32)

    folds = _waves(grid, rng, wavelength=0.16, stretch=2.0)
    depth = grid.radius((0.84, 0.97, 0.95))
    cortex = depth + 0.05 * np.tanh(1.5 * folds)
    for field, edge, value in (
        (depth, 1.0, 0.45),  # scalp
        (depth, 0.92, 0.06),  # skull
        (depth, 0.86, 0.22),  # fluid
        (cortex, 0.80, 0.55),  # gray matter
        (cortex + 0.07 * np.tanh(2.0 * folds), 0.66, 0.80),  # white matter
    ):
        _paint(image, grid.soften(edge - field), value)

    sulci = np.exp(-((_waves(grid, rng, wavelength=0.26, stretch=2.0) / 0.16) ** 2))
    _paint(image, sulci * grid.soften(cortex - 0.60) * grid.soften(0.80 - cortex), 0.25)
    for side in (-1.0, 1.0):
        _paint(image, grid.soften(1.0 - grid.radius((0.10, 0.28, 0.22), (0.13 * side, 0.05, 0.0)), 0.2), 0.20)
        _paint(image, grid.soften(1.0 - grid.radius((0.13, 0.18, 0.16), (0.33 * side, 0.0, -0.05)), 0.2), 0.62)

    brain = grid.soften(0.80 - cortex)
    image += 0.025 * brain * _waves(grid, rng, wavelength=0.10, stretch=1.5)
    _add_small_things(image, grid, brain, rng)
    return torch.from_numpy(np.clip(image, 0.0, 1.0))


def add_noise(
    clean: torch.Tensor | np.ndarray,
    kind: str = "gaussian",
    sigma: float = 0.1,
    seed: int = 0,
    *,
    slice_axis: int | None = -1,
    width: float = 0.8,
) -> torch.Tensor:
    """Put noise of a known strength on an image, a draw from :func:`phantom_noise`.

    Args:
        clean: (X, Y, Z), (C, X, Y, Z), or for one slice axis to exist any shape of at least two axes; for kinds other
            than "gaussian", "correlated" and "varying" in units where 0 is no signal.
        kind: one of :data:`NOISE_KINDS`.
        sigma: strength in the units of ``clean``, at least 0; see :func:`phantom_noise`.
        seed: for another realization.
        slice_axis: of ``clean``, see :func:`phantom_noise`.
        width: "correlated": standard deviation of the filter in voxels.

    Returns:
        float32 tensor of the same shape.

    Raises:
        InputError: an unknown kind, or a sigma or width that cannot be.
    """
    values = torch.as_tensor(clean).detach().to("cpu", torch.float32).as_subclass(torch.Tensor)
    model = phantom_noise(kind, sigma, values.ndim, slice_axis=slice_axis, width=width)
    return model.sample(values[None], torch.Generator().manual_seed(seed))[0]


def phantom_noise(
    kind: str, sigma: float, dims: int = 3, *, slice_axis: int | None = -1, width: float = 0.8
) -> NoiseModel:
    """The distribution that :func:`add_noise` draws from: what there is to know about the noise.

    gaussian: x + n. rician: sqrt((x + n1)^2 + n2^2), the magnitude of a complex MR image. correlated: x + n with n
    white noise that was filtered by a Gaussian in the plane of the slices and has standard deviation ``sigma`` again;
    slices stay independent of each other. For these three, ``sigma`` is the standard deviation of n. The other kinds
    are those of :func:`~monai_diffdenoise.transforms.noise.noise_model`, and ``sigma`` is the standard deviation of the
    noisy image where the clean one is 0.5.

    Args:
        kind: one of :data:`NOISE_KINDS`.
        sigma: in the units of the image, at least 0.
        dims: number of axes of the image. For the model, which wants a channel axis first, all of them are spatial: ask
            for ``model.variance(clean[None])[0]``.
        slice_axis: "correlated", "ct", "zero-filled", "varying": axis of the image along which the slices lie; the two
            axes of the plane are the last two of the others. ``None`` for an image that is one slice: the last two.
        width: "correlated": standard deviation of the filter in voxels.

    Raises:
        InputError: an unknown kind, or a sigma, width or slice axis that cannot be.
    """
    if kind not in NOISE_KINDS:
        raise InputError(f"noise kind is {kind!r}: expected one of {', '.join(NOISE_KINDS)}")
    if not (math.isfinite(sigma) and sigma >= 0.0 and math.isfinite(width) and width > 0.0):
        raise InputError(f"noise has sigma {sigma} and width {width}: expected sigma of at least 0, width above 0")
    if kind == "rician":
        return RicianNoise(sigma)
    if kind not in ("correlated", "ct", "zero-filled", "varying"):
        return noise_model(kind, sigma)
    if dims < 2 or not (slice_axis is None or -dims <= slice_axis < dims):
        raise InputError(f"slice axis is {slice_axis} for an image with {dims} axes: expected one of them")
    plane = [axis for axis in range(dims) if slice_axis is None or axis != slice_axis % dims][-2:]
    return noise_model(kind, sigma, axes=plane, width=width, factors=(1.5,) * len(plane))


def phantom_volume(shape: Sequence[int] = (96, 96, 40), seed: int = 0) -> Volume:
    """Return the phantom as a :class:`~monai_diffdenoise.data.Volume` with 1 mm voxels and slices along z.

    Noise goes on with ``volume.with_image(add_noise(volume.image, ...))``.
    """
    return volume_from_array(make_phantom(shape, seed)[None], np.eye(4), slice_axis=2)


@dataclass(frozen=True)
class _Grid:
    """Coordinates of the voxels; the head has semi-axes of about 1 along each of them."""

    axes: tuple[np.ndarray, np.ndarray, np.ndarray]
    voxels: tuple[float, float, float]
    """Voxels per unit along each axis."""

    @classmethod
    def of(cls, shape: Sequence[int]) -> _Grid:
        plane = (shape[0] + shape[1]) / 2.0
        voxels = (shape[0] / 2.0, shape[1] / 2.0, max(plane, float(shape[2])) / 2.0)
        axes = tuple((np.arange(n, dtype=np.float32) - (n - 1) / 2.0) / v for n, v in zip(shape, voxels, strict=True))
        x, y, z = (axis.astype(np.float32) for axis in axes)
        return cls((x[:, None, None], y[None, :, None], z[None, None, :]), voxels)

    def radius(self, semi: Sequence[float], center: Sequence[float] = (0.0, 0.0, 0.0)) -> np.ndarray:
        """1 on an ellipsoid, less inside, more outside."""
        parts = [((axis - c) / s) ** 2 for axis, c, s in zip(self.axes, center, semi, strict=True)]
        return np.sqrt(parts[0] + parts[1] + parts[2])

    def soften(self, depth: np.ndarray, size: float = 1.0) -> np.ndarray:
        """Share of a voxel inside: a ramp one voxel wide around 0 of a depth in units of ``size``."""
        return np.clip(0.5 + depth * (size * min(self.voxels)), 0.0, 1.0)

    def line_distance(self, center: Sequence[float], direction: Sequence[float]) -> np.ndarray:
        """Distance to a straight line in voxels."""
        offsets = [
            (axis - np.float32(c)) * np.float32(v) for axis, c, v in zip(self.axes, center, self.voxels, strict=True)
        ]
        along = sum(o * np.float32(d) for o, d in zip(offsets, direction, strict=True))
        square = offsets[0] ** 2 + offsets[1] ** 2 + offsets[2] ** 2 - along**2
        return np.sqrt(np.maximum(square, 0.0))


def _paint(image: np.ndarray, share: np.ndarray, value: float) -> None:
    image += share * (np.float32(value) - image)


def _waves(grid: _Grid, rng: np.random.Generator, wavelength: float, stretch: float, count: int = 32) -> np.ndarray:
    """Smooth random field with mean 0 and standard deviation 1: plane waves of one length in random directions.

    Args:
        grid: the voxels.
        rng: where the directions and phases come from.
        wavelength: in the units of the grid, at least 4 voxels.
        stretch: how many times longer the waves are along z, so that structure goes on across slices.
        count: number of waves.
    """
    wavelength = max(wavelength, 4.0 / min(grid.voxels))
    directions = rng.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    numbers = 2.0 * np.pi / wavelength * directions / (1.0, 1.0, stretch)
    phases = np.exp(1j * rng.uniform(0.0, 2.0 * np.pi, count)).astype(np.complex64)
    # A plane wave is a product of three functions of one coordinate each: no cosine per voxel and wave.
    x, y, z = (
        np.exp(1j * np.outer(numbers[:, i], axis.ravel())).astype(np.complex64) for i, axis in enumerate(grid.axes)
    )
    plane = (x * phases[:, None])[:, :, None] * y[:, None, :]
    field = plane.reshape(count, -1).T @ z
    return field.real.reshape(x.shape[1], y.shape[1], z.shape[1]) * np.float32(math.sqrt(2.0 / count))


def _add_small_things(image: np.ndarray, grid: _Grid, brain: np.ndarray, rng: np.random.Generator) -> None:
    """Vessels, lesions and inserts, inside the brain only; their sizes are in voxels, whatever the shape."""
    lowest, highest = (float(grid.axes[2].ravel()[i]) for i in (0, -1))

    def place(reach: float) -> list[float]:
        angle, radius = rng.uniform(0.0, 2.0 * np.pi), reach * math.sqrt(rng.uniform(0.05, 1.0))
        z = rng.uniform(lowest, highest) * 0.7
        return [radius * math.cos(angle), radius * math.sin(angle), z]

    def ball(center: Sequence[float], voxels: Sequence[float]) -> np.ndarray:
        semi = [n / v for n, v in zip(voxels, grid.voxels, strict=True)]
        return np.clip(0.5 + (1.0 - grid.radius(semi, center)) * min(voxels), 0.0, 1.0) * brain

    for index in range(_INSERTS):
        contrast = 0.05 if index % 2 else -0.05
        image += contrast * ball(place(0.55), [rng.uniform(0.08, 0.14) * min(grid.voxels)] * 3)
    for index in range(_LESIONS):
        _paint(image, ball(place(0.60), rng.uniform(1.2, 3.0, 3).tolist()), 0.95 if index % 3 else 0.35)
    for _ in range(_VESSELS):
        # Tilted by 15 to 60 degrees from z, so that a vessel moves by up to 1.7 voxels from slice to slice.
        tilt, turn = rng.uniform(math.pi / 12.0, math.pi / 3.0), rng.uniform(0.0, 2.0 * np.pi)
        direction = (math.sin(tilt) * math.cos(turn), math.sin(tilt) * math.sin(turn), math.cos(tilt))
        distance = grid.line_distance(place(0.65), direction)
        _paint(image, np.clip(rng.uniform(0.6, 1.4) + 0.5 - distance, 0.0, 1.0) * brain, 1.0)

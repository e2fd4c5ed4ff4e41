# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What holds for every noise model."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from monai.data import MetaTensor

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise import (
    NOISE_KINDS,
    EdgeToCenter,
    GaussianKernel,
    GaussianNoise,
    Kernel,
    LevelMap,
    NoiseModel,
    NoncentralChiNoise,
    PoissonGaussianNoise,
    PowerSpectrum,
    RicianNoise,
    ZeroFilled,
    fbp_spectrum,
    noise_model,
)

SHAPE = (2, 9, 8, 3)
MODELS = {
    **{kind: noise_model(kind, 0.1) for kind in NOISE_KINDS},
    "kernel": GaussianNoise(0.1, Kernel(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))),
    "spectrum": GaussianNoise(0.1, PowerSpectrum(fbp_spectrum(16, "hann"))),
    "map": GaussianNoise(LevelMap(torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)))),
    "varying-rician-zero-filled": RicianNoise(EdgeToCenter(0.1), ZeroFilled((2.0,))),
    "varying-chi-correlated": NoncentralChiNoise(EdgeToCenter(0.1, 0.5), 2, GaussianKernel(1.0)),
    "varying-poisson-gaussian": PoissonGaussianNoise(0.01, EdgeToCenter(0.1)),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def clean() -> torch.Tensor:
    return torch.rand(SHAPE, generator=generator(7))


@pytest.fixture(params=MODELS)
def noise(request: pytest.FixtureRequest) -> NoiseModel:
    return MODELS[request.param]


def test_seed_fixes_the_noise_and_the_generator_moves_on(noise: NoiseModel, clean: torch.Tensor) -> None:
    kept, drawn = clean.clone(), generator(3)
    first, second = noise.sample(clean, drawn), noise.sample(clean, drawn)
    assert torch.equal(first, noise.sample(clean, generator(3)))
    assert not torch.equal(first, second)
    assert not torch.equal(first, noise.sample(clean, generator(4)))
    assert torch.equal(clean, kept)


def test_global_random_state_is_neither_read_nor_moved(noise: NoiseModel, clean: torch.Tensor) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = noise.sample(clean, generator())
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(1)
    assert torch.equal(first, noise.sample(clean, generator()))


@pytest.mark.parametrize("convert", [torch.Tensor.double, torch.Tensor.half, MetaTensor, torch.Tensor.requires_grad_])
def test_noisy_image_is_a_plain_float32_tensor_of_the_same_shape(
    noise: NoiseModel, clean: torch.Tensor, convert
) -> None:
    noisy = noise.sample(convert(clean), generator())
    assert type(noisy) is torch.Tensor
    assert (noisy.dtype, noisy.shape, noisy.requires_grad) == (torch.float32, clean.shape, False)
    assert noisy.is_contiguous()


def test_whole_numbers_are_images_too(noise: NoiseModel) -> None:
    clean = torch.ones(SHAPE, dtype=torch.int16)
    assert torch.equal(noise.sample(clean, generator()), noise.sample(clean.float(), generator()))


def test_moments_are_maps_of_the_image(noise: NoiseModel, clean: torch.Tensor) -> None:
    for moment in (noise.mean(clean), noise.variance(MetaTensor(clean))):
        assert (type(moment), moment.dtype, moment.shape) == (torch.Tensor, torch.float32, clean.shape)
        assert bool((moment >= 0).all())


def test_channels_are_independent(noise: NoiseModel) -> None:
    clean = torch.full((2, 9, 8, 3), 0.5)
    noisy = torch.stack([noise.sample(clean, generator(seed)) for seed in range(400)]).double()
    noisy = (noisy - noise.mean(clean)) / noise.variance(clean).sqrt()
    product = (noisy[:, 0] * noisy[:, 1]).flatten(1).mean(1)
    assert abs(float(product.mean() / product.std())) * 20 < 4
    assert noise.autocorrelation((0, 0, 0)) == pytest.approx(1.0)


def test_what_is_missing_stays_missing_and_spoils_nothing_else(noise: NoiseModel, clean: torch.Tensor) -> None:
    expected = noise.sample(clean, generator())
    clean[0, 0, 0, 0], clean[1, 2, 3, 1] = math.nan, math.inf
    noisy = noise.sample(clean, generator())
    assert torch.equal(torch.isfinite(noisy), torch.isfinite(clean))
    # A count of no quanta draws other numbers than a count of some, so what follows may differ.
    if "poisson" not in repr(type(noise)).lower():
        same = torch.isfinite(clean)
        assert torch.equal(noisy[same], expected[same])


def test_models_travel_to_workers(noise: NoiseModel, clean: torch.Tensor) -> None:
    for twin in (pickle.loads(pickle.dumps(noise)), copy.deepcopy(noise)):
        assert torch.equal(twin.sample(clean, generator()), noise.sample(clean, generator()))


@pytest.mark.parametrize("image", [torch.zeros(5), torch.zeros((1, 2, 2), dtype=torch.complex64)])
def test_what_is_no_image_is_refused(noise: NoiseModel, image: torch.Tensor) -> None:
    with pytest.raises(InputError, match="channel first"):
        noise.sample(image, generator())


def test_generator_of_another_device_is_refused(noise: NoiseModel, clean: torch.Tensor) -> None:
    class Elsewhere(torch.Generator):
        device = torch.device("meta")

    with pytest.raises(InputError, match="generator on meta"):
        noise.sample(clean, Elsewhere())

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Denoising volumes slice by slice: what is not changed stays exactly as it was."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import MetaTensor
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import VolumeSliceInferer
from monai_diffdenoise.networks import ResidualDenoiser
from monai_diffdenoise.transforms import (
    AffineScaling,
    BlindSpotPair,
    NeighborSlicePair,
    RepeatPair,
    SliceBlindPair,
    robust_scaling,
)

AXES = [0, 1, 2]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def local_network() -> nn.Module:
    """A nonlinear network that sees one pixel around."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, padding_mode="replicate"), nn.Tanh(), nn.Conv2d(4, 1, 1)
    ).requires_grad_(False)


@settings(deadline=None, max_examples=50)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40)),
    axis=st.sampled_from([0, 1, 2, -1]),
    tile=st.sampled_from([16, 17, 512]),
    overlap=st.sampled_from([0.0, 0.25, 0.7]),
    batch=st.integers(1, 9),
    exponent=st.integers(-30, 30),
    offset=st.sampled_from([0.0, 1.0, -1e4]),
)
def test_identity_changes_no_bit(
    shape: tuple[int, int, int], axis: int, tile: int, overlap: float, batch: int, exponent: int, offset: float
) -> None:
    image = (noise(1, 1, *shape) + offset) * 10.0**exponent
    inferer = VolumeSliceInferer(NeighborSlicePair(axis), batch_size=batch, tile=tile, overlap=overlap)
    assert torch.equal(inferer(image, nn.Identity()), image)


@pytest.mark.parametrize("tile", [16, 512])
@pytest.mark.parametrize("axis", AXES)
def test_an_untrained_denoiser_changes_no_bit(axis: int, tile: int) -> None:
    image = 1e5 * noise(2, 2, 21, 18, 19)
    network = ResidualDenoiser(channels=4, levels=2)
    assert torch.equal(VolumeSliceInferer(NeighborSlicePair(axis), tile=tile)(image, network), image)


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(1, 1, 20, 20, 3),
        torch.full((1, 1, 20, 20, 3), -7.3),
        noise(1, 1, 20, 20, 3).double() * 1e100,
        torch.cat([noise(1, 1, 20, 20, 2), torch.full((1, 1, 20, 20, 1), 1e37)], -1),
        torch.cat([noise(1, 1, 20, 20, 2), torch.full((1, 1, 20, 20, 1), 1e-37)], -1),
    ],
    ids=["zero", "constant", "float64", "one huge slice", "one tiny slice"],
)
def test_identity_changes_no_bit_of_unusual_volumes(image: torch.Tensor) -> None:
    result = VolumeSliceInferer(tile=16)(image, nn.Identity())
    assert result.dtype == image.dtype
    assert torch.equal(result, image)


@pytest.mark.parametrize("axis", AXES)
def test_each_slice_is_denoised_in_normalised_units(axis: int) -> None:
    image = 300 * noise(1, 1, 7, 9, 8) + 1000
    network, scaling = local_network(), robust_scaling(image[0, 0])
    result = VolumeSliceInferer(NeighborSlicePair(axis), batch_size=3)(image, network)
    for index in range(image.shape[axis + 2]):
        scaled = scaling.apply(image[0].select(axis + 1, index))
        expected = scaling.invert(network(scaled[None])[0])
        torch.testing.assert_close(result[0].select(axis + 1, index), expected, rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize("shape", [(45, 63, 3), (24, 16, 4), (16, 50, 2), (5, 40, 2)], ids=str)
def test_tiled_equals_untiled_for_a_local_network(shape: tuple[int, ...]) -> None:
    image, network = noise(1, 1, *shape), local_network()
    whole = VolumeSliceInferer(tile=512)(image, network)
    tiled = VolumeSliceInferer(tile=16, overlap=0.5, batch_size=5)(image, network)
    assert not torch.allclose(whole, image, atol=0.1)
    # the edge pixel of a tile lacks its neighbor, and hardly counts, at the border of the image too
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-2)


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
def test_the_batch_size_does_not_matter(batch: int) -> None:
    image, network = noise(1, 1, 20, 20, 5), local_network()
    expected = VolumeSliceInferer(batch_size=8)(image, network)
    torch.testing.assert_close(VolumeSliceInferer(batch_size=batch)(image, network), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("tile", [16, 512])
@pytest.mark.parametrize("axis", AXES)
def test_slice_blind_networks_see_the_neighbors(axis: int, tile: int) -> None:
    image = noise(1, 1, 20, 20, 20)
    result = VolumeSliceInferer(SliceBlindPair(axis), tile=tile)(
        image, lambda stack: stack[:, 1:3].mean(1, keepdim=True)
    )
    for index in (1, 9, 18):
        expected = sum(image.select(axis + 2, index + step) for step in (-1, 1)) / 2
        torch.testing.assert_close(result.select(axis + 2, index), expected, rtol=0, atol=1e-5)


def test_time_points_are_denoised_one_by_one_in_their_own_units() -> None:
    image = torch.cat([noise(1, 1, 18, 18, 3, seed=k) * 10.0**k for k in range(3)], dim=1)
    network = local_network()
    result = VolumeSliceInferer(RepeatPair())(image, network)
    for k in range(3):
        alone = VolumeSliceInferer()(image[:, k : k + 1], network)
        assert torch.equal(result[:, k : k + 1], alone)


def test_scalings_can_be_given() -> None:
    image = noise(1, 2, 18, 18, 3)
    scalings = [AffineScaling(0.0, 1.0), AffineScaling(1.0, 4.0)]
    result = VolumeSliceInferer()(image, lambda stack: 0 * stack, scalings=scalings)
    torch.testing.assert_close(result[0, 0], torch.zeros(18, 18, 3), rtol=0, atol=1e-6)
    torch.testing.assert_close(result[0, 1], torch.ones(18, 18, 3), rtol=0, atol=1e-6)
    with pytest.raises(InputError, match="got 1 scalings; expected one for each of 2"):
        VolumeSliceInferer()(image, nn.Identity(), scalings=scalings[:1])


def test_metadata_is_kept_and_the_input_left_alone() -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0], dtype=torch.float64))
    values = noise(1, 1, 18, 18, 3)
    image = MetaTensor(values.clone(), affine=affine, meta={"filename_or_obj": "scan"})
    result = VolumeSliceInferer()(image, local_network())
    assert isinstance(result, MetaTensor)
    assert torch.equal(result.affine, affine)
    assert result.meta["filename_or_obj"] == "scan"
    assert torch.equal(image.as_tensor(), values)
    plain = VolumeSliceInferer()(values, local_network())
    assert type(plain) is torch.Tensor
    assert torch.equal(plain, result.as_tensor())


@pytest.mark.parametrize("training", [True, False])
def test_the_network_runs_in_evaluation_and_is_given_back_as_it_was(training: bool) -> None:
    class Watching(nn.Identity):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            assert not self.training
            assert torch.is_inference_mode_enabled()
            return image

    class Failing(nn.Identity):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("out of memory")

    image = noise(1, 1, 18, 18, 3)
    network, failing = Watching().train(training), Failing().train(training)
    result = VolumeSliceInferer()(image, network)
    assert network.training is training
    # inference tensors could not be used in training afterwards
    assert not result.is_inference()
    with pytest.raises(RuntimeError, match="out of memory"):
        VolumeSliceInferer()(image, failing)
    assert failing.training is training


def test_no_gradient_graph_is_kept() -> None:
    result = VolumeSliceInferer()(noise(1, 1, 18, 18, 3), ResidualDenoiser(channels=4, levels=2))
    assert not result.requires_grad


def test_progress_counts_the_slices_of_all_channels() -> None:
    seen: list[tuple[int, int]] = []
    inferer = VolumeSliceInferer(batch_size=2, progress=lambda done, total: seen.append((done, total)))
    inferer(noise(1, 2, 18, 18, 5), nn.Identity())
    assert seen == [(2, 10), (4, 10), (5, 10), (7, 10), (9, 10), (10, 10)]


@pytest.mark.parametrize("arguments", [{"batch_size": 0}, {"tile": 15}, {"overlap": 1.0}, {"overlap": -0.1}], ids=str)
def test_bad_arguments_are_the_users_mistake(arguments: dict) -> None:
    with pytest.raises(InputError, match="expected"):
        VolumeSliceInferer(**arguments)


@pytest.mark.parametrize("pairing", [NeighborSlicePair(0), SliceBlindPair(2), RepeatPair(1)], ids=type)
@pytest.mark.parametrize("tile", [16, 512])
def test_denoising_into_given_room_is_the_same(pairing: NeighborSlicePair, tile: int) -> None:
    image, room = 100 * noise(2, 18, 19, 20), torch.empty(2, 20, 18, 19).movedim(1, 3)
    network = (lambda stack: stack[:, 1:3].mean(1, keepdim=True)) if pairing.in_channels == 4 else local_network()
    inferer = VolumeSliceInferer(pairing, batch_size=3, tile=tile)
    result = inferer.denoise(image, network, out=room)
    assert result is room
    assert torch.equal(room, inferer(image[None], network)[0])
    assert torch.equal(room, image + inferer.residual(image, network))
    assert torch.equal(room, inferer.denoise(image, network))
    assert not torch.allclose(room, image, atol=1.0)


def test_companions_are_seen_and_not_denoised() -> None:
    volume = torch.rand(3, 6, 5, 4)
    inferer = VolumeSliceInferer(BlindSpotPair(companions=2), batch_size=3)
    result = inferer.denoise(volume, lambda image: image[:, 2:3], [AffineScaling(0.25, 2.0)])
    assert result.shape == (1, 6, 5, 4)
    assert torch.allclose(result, volume[2:], atol=1e-6)
    assert torch.equal(inferer.denoise(volume, lambda image: image[:, :1]), volume[:1])
    assert torch.allclose(inferer(volume[None], lambda image: image[:, 1:2])[0], volume[1:2], atol=1e-6)


def test_whole_numbers_have_a_residual_with_digits() -> None:
    image = (20 * noise(1, 18, 18, 3)).int()
    residual = VolumeSliceInferer().residual(image, local_network())
    assert residual.is_floating_point() and not torch.equal(residual, residual.round())


@pytest.mark.parametrize("shape", [(45, 63, 3), (24, 16, 4), (5, 40, 2)], ids=str)
@pytest.mark.parametrize("batch", [1, 5])
def test_tiles_with_a_halo_are_exact(shape: tuple[int, ...], batch: int) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 1, 1)).requires_grad_(False)
    image = noise(1, 1, *shape)
    whole = VolumeSliceInferer(tile=512)(image, network)
    exact = VolumeSliceInferer(tile=16, halo=1, batch_size=batch)(image, network)
    torch.testing.assert_close(exact, whole, rtol=0, atol=2e-6)
    assert float((VolumeSliceInferer(tile=16, halo=0)(image, network) - whole).abs().max()) > 1e-3


def test_a_halo_leaves_room_in_the_tile() -> None:
    with pytest.raises(InputError, match="use larger tiles"):
        VolumeSliceInferer(tile=32, halo=16)
    with pytest.raises(InputError, match="use larger tiles"):
        VolumeSliceInferer(tile=32, halo=14, multiple=8)

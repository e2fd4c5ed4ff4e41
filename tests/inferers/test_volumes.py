# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Volumes and networks of three dimensions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import VolumeInferer
from monai_diffdenoise.inferers.blending import gaussian_ramp
from monai_diffdenoise.transforms import AffineScaling, robust_scaling
from tests.inferers.networks import noise

PLAIN = [AffineScaling(0.0, 1.0)]


def local_network() -> nn.Module:
    """Nonlinear, reach 2."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(1, 4, 5, padding=2), nn.Tanh(), nn.Conv3d(4, 1, 1)).requires_grad_(False)


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 22), st.integers(1, 22), st.integers(1, 22)),
    axis=st.sampled_from([0, 1, 2, -1]),
    tile=st.sampled_from([7, 16, (16, 9, 5)]),
    overlap=st.sampled_from([0.0, 0.25, 0.7]),
    halo=st.sampled_from([None, 2]),
    batch=st.integers(1, 3),
)
def test_identity_changes_no_bit(
    shape: tuple[int, int, int],
    axis: int,
    tile: int | tuple[int, ...],
    overlap: float,
    halo: int | None,
    batch: int,
) -> None:
    image = 1e4 * noise(1, 2, *shape) + 7
    assert torch.equal(VolumeInferer(tile, overlap, halo, 1, batch, axis)(image, nn.Identity()), image)


@pytest.mark.parametrize("tile", [9, (30, 8, 11)])
def test_exact_tiles_give_what_the_whole_gives(tile: int | tuple[int, ...]) -> None:
    image, network = noise(1, 1, 30, 17, 23), local_network()
    exact = VolumeInferer(tile, halo=2)(image, network, scalings=PLAIN)
    torch.testing.assert_close(exact, network(image), rtol=0, atol=1e-5)
    near = VolumeInferer(tile, halo=1)(image, network, scalings=PLAIN)
    assert float((near - network(image)).abs().max()) > 1e-3


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("overlap", [0.25, 0.6])
def test_slab_by_slab_is_all_at_once(axis: int, overlap: float) -> None:
    image = noise(1, 1, 21, 17, 19)

    def network(tile: torch.Tensor) -> torch.Tensor:
        # of the whole tile, so that every tile says something else
        return tile * tile.mean(dim=(2, 3, 4), keepdim=True)

    sliding = SlidingWindowInferer([8, 8, 8], overlap=overlap, mode="gaussian")
    ramp = gaussian_ramp(8)
    sliding.roi_weight_map = (ramp[:, None, None] * ramp[:, None] * ramp)[None, None]
    expected = image + torch.as_tensor(sliding(image, lambda tile: network(tile) - tile))
    result = VolumeInferer(8, overlap, axis=axis)(image, network, scalings=PLAIN)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


def test_time_points_are_denoised_one_by_one_in_their_own_units() -> None:
    image, network = torch.cat([noise(1, 1, 9, 9, 8, seed=k) * 10.0**k for k in range(3)], dim=1), local_network()
    result = VolumeInferer(16)(image, network)
    for channel in range(3):
        scaling = robust_scaling(image[0, channel])
        expected = scaling.invert(network(scaling.apply(image[:, channel : channel + 1])))[0, 0]
        torch.testing.assert_close(result[0, channel], expected, rtol=1e-4, atol=1e-4 * scaling.scale)


def test_the_result_goes_where_it_is_wanted() -> None:
    volume, network = noise(1, 12, 12, 12), local_network()
    out = torch.empty_like(volume)
    assert VolumeInferer(8, halo=2).denoise(volume, network, PLAIN, out) is out
    assert torch.equal(out, VolumeInferer(8, halo=2).denoise(volume, network, PLAIN))


def test_metadata_and_mode_are_kept() -> None:
    image = MetaTensor(noise(1, 1, 8, 8, 8), affine=torch.diag(torch.tensor([2.0, 3, 4, 1])), meta={"name": "scan"})
    network = local_network().train()
    result = VolumeInferer(8)(image, network)
    assert isinstance(result, MetaTensor)
    assert result.meta["name"] == "scan"
    assert torch.equal(result.affine, image.affine)
    assert network.training


@pytest.mark.parametrize("halo", [None, 2])
def test_progress_counts_up_to_all(halo: int | None) -> None:
    seen: list[tuple[int, int]] = []
    inferer = VolumeInferer(8, halo=halo, progress=lambda *done: seen.append(done))
    inferer(noise(1, 2, 20, 9, 9), nn.Identity())
    assert [done for done, _ in seen] == list(range(1, seen[-1][1] + 1))
    assert len({count for _, count in seen}) == 1


@pytest.mark.parametrize("halo", [None, 2])
def test_the_network_never_sees_more_than_a_tile(halo: int | None) -> None:
    shapes = set()

    def network(tile: torch.Tensor) -> torch.Tensor:
        shapes.add(tuple(tile.shape))
        return tile

    VolumeInferer(8, halo=halo)(noise(1, 1, 40, 12, 20), network)
    assert all(shape[:2] == (1, 1) and max(shape[2:]) <= 8 for shape in shapes)


@pytest.mark.parametrize(
    "bad", [{"tile": 0}, {"tile": (8, 8)}, {"overlap": 1.0}, {"batch_size": 0}, {"axis": 3}, {"tile": 8, "halo": 4}]
)
def test_numbers_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected"):
        VolumeInferer(**bad)


def test_volumes_and_scalings_are_checked() -> None:
    with pytest.raises(InputError, match="expected one for each of 2"):
        VolumeInferer().denoise(noise(2, 4, 4, 4), nn.Identity(), PLAIN)
    with pytest.raises(InputError, match="expected \\(C, X, Y, Z\\)"):
        VolumeInferer().denoise(noise(4, 4, 4), nn.Identity())

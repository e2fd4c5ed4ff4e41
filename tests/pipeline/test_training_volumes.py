# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_diffdenoise.data import volume_from_array, write_volume
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import ResidualDenoiser
from monai_diffdenoise.pipeline import DenoiseSettings, fingerprint, make_plan, prepare_volumes
from monai_diffdenoise.transforms import MatchedRegionWeight, NeighborSlicePair
from monai_diffdenoise.transforms.scaling import robust_scaling

SHAPE = (28, 32, 10)


def write(path: Path, slice_axis: int = 2, times: int = 1) -> torch.Tensor:
    """A noisy phantom with thick slices along an axis, in units of its own; returns (times, *spatial)."""
    phantom = make_phantom(SHAPE).movedim(-1, slice_axis)
    image = torch.stack([add_noise(phantom, "gaussian", 0.05, seed=k) * 300 - 100 for k in range(times)])
    affine = np.diag([*(3.0 if axis == slice_axis else 1.0 for axis in range(3)), 1.0])
    write_volume(volume_from_array(image, affine), path)
    return image


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
@pytest.mark.parametrize("distance", [1, 2, 3])
def test_neighbors_along_the_last_axis_are_the_pairs_of_the_plan(
    tmp_path: Path, slice_axis: int, distance: int
) -> None:
    image = write(tmp_path / "a.nii.gz", slice_axis)
    stacks = prepare_volumes(tmp_path / "a.nii.gz", distance=distance)
    assert len(stacks) == distance
    scaled = robust_scaling(image[0]).apply(image)
    plan = make_plan(
        volume_from_array(image, slice_axis=slice_axis), DenoiseSettings(method="ns-n2n", distance=distance)
    )
    match = MatchedRegionWeight(slice_axis, distance, sigma=plan.sigma / robust_scaling(image[0]).scale)
    wanted, weight = NeighborSlicePair(slice_axis, distance), match(scaled)
    seen = set()
    for start, stack in enumerate(stacks):
        pairing = NeighborSlicePair()
        assert stack["image"].is_contiguous()
        assert stack["image"].shape == stack["weight"].shape
        for index in range(pairing.num_pairs(stack["image"])):
            pair = pairing(stack["image"], index, stack["weight"])
            other = wanted(scaled, start + distance * index, weight)
            assert torch.equal(pair["image"], other["image"])
            assert torch.equal(pair["target"], other["target"])
            # the plan's sigma is that of the whole analysis, so thresholds differ by a little
            assert (pair["weight"] != other["weight"]).float().mean() < 0.2
            assert pair["weight"].mean() > 0.3
            seen.add(start + distance * index)
    assert seen == set(range(wanted.num_pairs(scaled)))


def test_folder_and_series_of_time_points(tmp_path: Path) -> None:
    write(tmp_path / "a.nii.gz", 1)
    write(tmp_path / "b.nii.gz", 2, times=3)
    stacks = prepare_volumes(tmp_path, distance=1, training_volumes=2)
    assert [tuple(stack["image"].shape) for stack in stacks] == [(1, 28, 32, 10)] * 3


def test_volume_that_will_not_do_is_named_by_number(tmp_path: Path) -> None:
    write(tmp_path / "a.nii.gz")
    nib.save(nib.Nifti1Image(np.random.default_rng(0).normal(size=(20, 20, 1)), np.eye(4)), tmp_path / "doe_john.nii")
    with pytest.raises(InputError, match=r"volume 2 of 2 in .* 1 slice") as caught:
        prepare_volumes(tmp_path)
    assert "doe" not in str(caught.value)
    with pytest.raises(InputError, match="^got 1 slice"):
        prepare_volumes(tmp_path / "doe_john.nii")


def test_fingerprint_knows_data_and_settings() -> None:
    volume = {"image": torch.arange(8.0).reshape(1, 2, 2, 2), "weight": torch.ones(1, 2, 2, 2)}
    settings = {"seed": 0, "network": ResidualDenoiser(), "length": [1, 2]}
    first = fingerprint([volume], settings)
    assert fingerprint([dict(reversed(volume.items()))], {**settings, "network": ResidualDenoiser()}) == first
    others = [
        fingerprint([], settings),
        fingerprint([volume, volume], settings),
        fingerprint([{**volume, "weight": torch.zeros(1, 2, 2, 2)}], settings),
        fingerprint([{**volume, "image": volume["image"].reshape(1, 2, 1, 4)}], settings),
        fingerprint([volume], {**settings, "seed": 1}),
        fingerprint([volume], {**settings, "network": ResidualDenoiser(channels=4)}),
        fingerprint([volume], {**settings, "length": [2, 1]}),
    ]
    assert len({first, *others}) == len(others) + 1


@pytest.mark.parametrize(("context", "distance", "stacks"), [(None, 1, 1), (2, 2, 2), (0, 3, 1)])
def test_blind_spot_networks_need_no_weights(tmp_path: Path, context: int | None, distance: int, stacks: int) -> None:
    image = write(tmp_path / "a.nii.gz", 1)
    prepared = prepare_volumes(tmp_path / "a.nii.gz", pairing="blind", distance=distance, context=context)
    assert [set(stack) for stack in prepared] == [{"image"}] * stacks
    assert sum(stack["image"].shape[-1] for stack in prepared) == SHAPE[2]
    scaled = robust_scaling(image[0]).apply(image).movedim(2, -1)
    assert torch.allclose(prepared[0]["image"], scaled[..., :: len(prepared)])


def test_blind_spot_networks_take_single_images(tmp_path: Path) -> None:
    image = 100 + torch.randn((1, 48, 40), generator=torch.Generator().manual_seed(0))
    write_volume(volume_from_array(image), tmp_path / "a.nii.gz")
    (stack,) = prepare_volumes(tmp_path, pairing="blind")
    assert stack["image"].shape == (1, 48, 40, 1)
    with pytest.raises(InputError, match="context = 2"):
        prepare_volumes(tmp_path, pairing="blind", context=2)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Volumes with conditions, by target: what is split, what is weighed, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline import prepare_conditions
from monai_diffdenoise.pipeline.condition_data import weights_digest


class Half(nn.Module):
    """Stands for a blind-spot network: half the slice."""

    def __init__(self, share: float = 0.5) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(share))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.share * image[:, :1]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("noisy") / "a.nii"
    image = add_noise(make_phantom((48, 40, 8)), "gaussian", 0.1, seed=1)
    nib.save(nib.Nifti1Image(image.numpy(), np.eye(4)), path)
    return path


def prepare(path: Path, target: Any = "recorrupted", **settings: Any) -> Any:
    return prepare_conditions(path, Half(), target, **{"context": 0, "distance": 1, **settings})


def test_recorrupted_volumes_have_the_measured_noise(noisy: Path) -> None:
    made = prepare(noisy, draws=2, tau=0.5)
    assert len(made.noisy) == 1 and len(made.volumes) == 2
    plain = made.noisy[0]["image"]
    for volume in made.volumes:
        torch.testing.assert_close(volume["condition"], 0.5 * volume["image"])
        added = (volume["image"] - plain) / 0.5
        torch.testing.assert_close(volume["targets"], plain - added / 0.5, rtol=0, atol=1e-5)
        # the volume is divided by its range, which noise makes a little wider than 1
        assert 0.05 < float(added.std()) < 0.15
    assert made.held_out_volumes is made.volumes and made.pairing.show_noisy
    errors = [volume["targets"] - volume["condition"] for volume in made.volumes]
    assert made.scale == pytest.approx(float(torch.stack(errors).square().mean().sqrt()))
    assert made.state.scale == made.scale


def test_the_same_slice_is_scored_by_others(noisy: Path) -> None:
    made = prepare(noisy, "same", show_noisy=False, draws=1)
    assert "targets" not in made.volumes[0] and "targets" in made.held_out_volumes[0]
    assert not made.pairing.leak_free and made.held_out_pairing.leak_free


def test_neighbors_are_farther_than_the_first_network_looks(noisy: Path) -> None:
    for context, distance in ((0, 1), (4, 3)):
        made = prepare(noisy, "neighbor", context=context)
        assert made.pairing.distance == distance
        weight = made.volumes[0]["weight"]
        assert weight.shape == made.volumes[0]["image"].shape and not weight[..., -distance:].any()


def test_the_identity_tells_weights_and_settings(noisy: Path) -> None:
    made = prepare(noisy, draws=1)
    assert prepare(noisy, draws=1).identity == made.identity
    assert torch.equal(prepare(noisy, draws=1).volumes[0]["image"], made.volumes[0]["image"])
    assert prepare(noisy, draws=1, seed=1).identity != made.identity
    assert weights_digest(Half()) != weights_digest(Half(0.25))


@pytest.mark.parametrize(
    ("target", "words"), [("clean", "expected one of"), ("repeat", "time points"), ("neighbor", "offers no target")]
)
def test_what_cannot_be_is_refused(target: str, words: str, noisy: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.nii"
    nib.save(nib.Nifti1Image(nib.load(noisy).get_fdata()[..., :1].astype(np.float32), np.eye(4)), few)
    with pytest.raises(InputError, match=words):
        prepare(few, target)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging

import pytest
import torch
from monai.data import MetaTensor

from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.pipeline import PosteriorFusiond


@pytest.fixture
def item() -> dict[str, MetaTensor]:
    """A noisy phantom, and a version of it that lost its structure along with its noise."""
    clean = make_phantom((40, 40, 12))[None] * 200
    noisy = MetaTensor(add_noise(clean, "gaussian", 10.0), meta={"filename_or_obj": "a.nii"})
    blurred = torch.nn.functional.avg_pool3d(clean[None], 5, 1, 2)[0]
    return {"image": noisy, "pred": MetaTensor(blurred, meta=dict(noisy.meta)), "clean": MetaTensor(clean)}


def test_lost_structure_is_given_back(item: dict[str, MetaTensor]) -> None:
    fused = PosteriorFusiond()(item)
    error = (fused["pred"] - item["clean"]).square().mean()
    assert error < 0.7 * (item["pred"] - item["clean"]).square().mean()
    assert isinstance(fused["pred"], MetaTensor)
    assert fused["pred"].meta["filename_or_obj"] == "a.nii"
    assert torch.equal(fused["image"], item["image"])


def test_nothing_removed_means_nothing_to_give_back(item: dict[str, MetaTensor]) -> None:
    item["pred"] = item["image"].clone()
    assert torch.equal(PosteriorFusiond()(item)["pred"], item["image"])


def test_switched_off_it_does_nothing(item: dict[str, MetaTensor]) -> None:
    assert PosteriorFusiond(enabled=False)(item)["pred"] is item["pred"]


def test_one_slice_is_fused_by_the_noise_within_it(item: dict[str, MetaTensor]) -> None:
    single = {name: value[..., 6:7] for name, value in item.items()}
    fused = PosteriorFusiond()(single)
    errors = [float((pred["pred"] - single["clean"]).square().mean()) for pred in (single, fused)]
    assert errors[1] < errors[0]


def test_what_cannot_be_measured_passes_and_is_told(
    item: dict[str, MetaTensor], caplog: pytest.LogCaptureFixture
) -> None:
    single = {name: value[:, :16, :16, :1] for name, value in item.items()}
    with caplog.at_level(logging.WARNING):
        fused = PosteriorFusiond()(single)
    assert torch.equal(fused["pred"], single["pred"])
    assert "no fusion with the noisy volume: got" in caplog.text

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from monai_diffdenoise.analysis import measure_noise
from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.pipeline import DenoiseSettings, make_plan
from monai_diffdenoise.pipeline.fuse_channel import fuse_channel
from monai_diffdenoise.pipeline.run_sigma import run_sigma
from monai_diffdenoise.transforms.scaling import AffineScaling

CLEAN = make_phantom((96, 96, 24))
UNIT = AffineScaling(0.0, 1.0)


@pytest.fixture(scope="module")
def measured():
    return measure_noise(add_noise(CLEAN, "gaussian", 0.1, 0)[None])


def test_the_map_of_matched_slices_is_for_noise_that_varies(measured):
    volume = volume_from_array(add_noise(CLEAN, "gaussian", 0.1, 0)[None], slice_axis=2)
    settings = DenoiseSettings(method="ns-n2n")
    calm = replace(measured, variation=replace(measured.variation, relative=0.0))
    varied = replace(measured, variation=replace(measured.variation, relative=0.5))
    unsure = replace(varied, family=replace(varied.family, certain=False))
    unknown = replace(varied, variation=None)
    plans = [make_plan(volume, settings, noise) for noise in (calm, varied, unsure, unknown)]
    assert [plan.local_noise for plan in plans] == [False, True, False, False]


def test_the_lowest_of_uncertain_levels(measured):
    unsure = replace(measured, family=replace(measured.family, certain=False))
    assert run_sigma(measured, measured.sigma / 2) == measured.sigma
    assert run_sigma(unsure, measured.sigma / 2) == measured.sigma / 2
    assert run_sigma(unsure, None) <= measured.sigma
    # those for white noise do not count: they are far too low for any other
    low = replace(unsure, estimates={**unsure.estimates, "laplacian": measured.sigma / 5})
    assert run_sigma(low, None) > measured.sigma / 3


@pytest.mark.parametrize(("kind", "level"), [("gaussian", 0.01), ("rician", 0.01), ("gaussian", 0.02)])
def test_fusion_saves_an_estimate_that_lost_all_detail(kind, level):
    noisy = add_noise(CLEAN, kind, level, 0)
    plan = make_plan(volume_from_array(noisy[None], slice_axis=2), DenoiseSettings(method="ns-n2n"))
    assert plan.stabilizer is None and not plan.local_noise
    blurred = torch.nn.functional.avg_pool2d(noisy.movedim(2, 0)[:, None], 5, 1, 2)[:, 0].movedim(0, 2)
    fused = torch.empty_like(blurred)
    fuse_channel(plan, noisy, blurred, None, plan.sigma, UNIT, fused)
    inside = CLEAN > 0.15
    error, before = ((image - CLEAN)[inside].square().mean() for image in (fused, noisy))
    assert error < 1.023 * before  # 0.1 dB


def test_a_lower_level_of_the_run_lowers_the_law():
    noisy = add_noise(CLEAN, "poisson", 0.1, 0)
    plan = make_plan(volume_from_array(noisy[None], slice_axis=2), DenoiseSettings(method="ns-n2n", stabilize="off"))
    assert plan.noise["family"]["name"] != "gaussian"
    estimate = torch.nn.functional.avg_pool2d(noisy.movedim(2, 0)[:, None], 3, 1, 1)[:, 0].movedim(0, 2)
    shares = [
        fuse_channel(which, noisy, estimate, None, which.sigma, UNIT, torch.empty_like(noisy))
        for which in (plan, replace(plan, sigma=plan.sigma / 2))
    ]
    assert shares[1] > shares[0]

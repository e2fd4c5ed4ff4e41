# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from monai_diffdenoise.metrics.gates import stages_gate
from tests.metrics.gates.conftest import SIGMA, Honest


def test_stages_that_agree_and_do_not(honest: Honest) -> None:
    faulty = honest.denoised.clone()
    faulty[:, 40:56, 40:56] += 2 * SIGMA
    first = honest.denoised + 0.1 * (honest.noisy - honest.denoised)
    assert stages_gate({"bsn": first, "student": honest.denoised}, honest.noise).verdict == "pass"
    found = stages_gate({"bsn": first, "diffusion": faulty, "student": honest.denoised}, honest.noise)
    assert found.verdict == "fail"
    assert "differ by 2" in found.reason or "differ by 1.9" in found.reason


def test_what_was_put_back_is_not_of_the_stages(honest: Honest) -> None:
    faulty = honest.denoised.clone()
    faulty[:, 40:56, 40:56] += 2 * SIGMA
    stages = {"bsn": honest.denoised, "diffusion": faulty}
    put_back = torch.zeros_like(faulty)
    assert stages_gate(stages, honest.noise, put_back).verdict == "fail"
    put_back[:, 40:56, 40:56] = 0.9
    assert abs(stages_gate(stages, honest.noise, put_back).value - 0.2) < 0.02


def test_what_the_noisy_image_shows_may_come_back(honest: Honest) -> None:
    lost = honest.denoised.clone()
    lost[:, 40:56, 40:56] -= 8 * SIGMA
    stages = {"bsn": lost, "diffusion": honest.denoised}
    assert stages_gate(stages, honest.noise).verdict == "fail"
    # correlated noise of the noisy image stays in means of 4 x 4 pixels
    assert stages_gate(stages, honest.noise, noisy=honest.noisy).verdict != "fail"
    # more than it shows, something that it does not, and what is lost again are faults
    more, other, again = honest.denoised.clone(), lost.clone(), honest.denoised.clone()
    more[:, 40:56, 40:56] += 3 * SIGMA
    other[:, 10:20, 10:20] += 3 * SIGMA
    again[:, 40:56, 40:56] -= 3 * SIGMA
    for second in (more, other):
        assert stages_gate({"bsn": lost, "diffusion": second}, honest.noise, noisy=honest.noisy).verdict == "fail"
    found = stages_gate({"bsn": honest.denoised, "diffusion": again}, honest.noise, noisy=honest.noisy)
    assert found.verdict == "fail"


def test_one_stage_agrees_with_itself(honest: Honest) -> None:
    assert stages_gate({"only": torch.zeros(2, 8, 8)}, honest.noise).verdict == "pass"

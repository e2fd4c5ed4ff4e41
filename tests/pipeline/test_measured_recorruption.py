# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which split the measured noise gets; the bundle and the three stages ask the same function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.measured_recorruption import measured_recorruption
from monai_diffdenoise.transforms.noise.texture import White
from monai_diffdenoise.transforms.recorrupt import GammaRecorruption, GaussianRecorruption, PoissonRecorruption

WHITE = {"white": True}
# the same lag of 1 pixel along the first axis of the plane only
ROWS = {"white": False, "autocorrelation": [[0, 0.5, 0], [0, 1, 0], [0, 0.5, 0]]}
GAMMA, POISSON = ("gamma", {"looks": 9.0}), ("poisson-gaussian", {"gain": 0.2, "offset": 0.1, "sigma": 0.0})


def measured(family: tuple[str, dict[str, float]], plane: dict[str, Any], **further: Any) -> Any:
    noise = {"family": {"name": family[0], "parameters": family[1]}, "in_plane": plane}
    return measured_recorruption(noise, 0.3, 0.5, **further)


def test_white_noise_is_split_by_its_family() -> None:
    assert measured(("gaussian", {"sigma": 9.0}), WHITE) == GaussianRecorruption(tau=0.5, sigma=0.3)
    assert measured(GAMMA, WHITE) == GammaRecorruption(tau=0.5, looks=9.0)
    assert measured(POISSON, WHITE) == PoissonRecorruption(tau=0.5, gain=0.2, offset=0.1)
    assert measured(("rician", {"sigma": 0.3}), WHITE) == GaussianRecorruption(tau=0.5, sigma=0.3)


def test_stabilized_noise_has_one_strength() -> None:
    for family in (GAMMA, POISSON):
        assert measured(family, WHITE, stabilized=True) == GaussianRecorruption(tau=0.5, sigma=0.3)


def test_correlated_noise_is_added_in_the_plane_of_the_slices() -> None:
    assert measured(GAMMA, ROWS).gain == 0
    assert measured(POISSON, ROWS).gain == 0.2
    for axis, rows in ((2, 0), (1, 0), (0, 1)):
        made = measured(("gaussian", {"sigma": 9.0}), ROWS, axis=axis)
        assert made.sigma == 0.3 and not isinstance(made.texture, White)
        added = made.split(torch.zeros(1, 24, 24, 24), np.random.RandomState(0))[0][0]
        along = [float((added * added.roll(1, k)).mean() / added.square().mean()) for k in range(3)]
        assert along[rows] == pytest.approx(0.5, abs=0.06)
        assert max(abs(value) for k, value in enumerate(along) if k != rows) < 0.06


@pytest.mark.parametrize(("noise", "sigma"), [(None, 1.0), ({}, 0.0), ({}, float("nan"))])
def test_without_a_measurement_there_is_none(noise: Any, sigma: float) -> None:
    with pytest.raises(InputError, match="could not be measured"):
        measured_recorruption(noise, sigma)

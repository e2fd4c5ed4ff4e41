# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from monai_diffdenoise.analysis.noise_family import FAMILIES, NoiseCurve, NoiseFamily, fit_family
from monai_diffdenoise.transforms.noise.chi_moments import chi_mean, chi_variance

SIGNAL = np.linspace(0.0, 1.0, 20)


def curve(mean, variance, lowest, structure=None, scatter=0.02, seed=0):
    rng = np.random.default_rng(seed)
    ones = np.ones_like(mean)
    return NoiseCurve(
        np.asarray(mean),
        np.asarray(variance) * np.exp(scatter * rng.standard_normal(len(mean))),
        200 * ones,
        ones if structure is None else structure,
        lowest=lowest,
        threshold=0.2,
    )


def chi(sigma, coils):
    x, s = torch.from_numpy(SIGNAL), torch.tensor(sigma)
    return chi_mean(x, s, coils).numpy(), chi_variance(x, s, coils).numpy()


LAWS = {
    "gaussian": lambda: curve(SIGNAL, np.full(20, 0.01), -0.3),
    "poisson-gaussian": lambda: curve(SIGNAL + 0.02, 0.02 * (SIGNAL + 0.02) + 1e-4, 0.0),
    "gamma": lambda: curve(SIGNAL + 0.05, (SIGNAL + 0.05) ** 2 / 25, 0.0),
    "rician": lambda: curve(*chi(0.1, 1), 0.0),
    "noncentral-chi": lambda: curve(*chi(0.1, 4), 0.2),
}
TRUTH = {
    "gaussian": {"sigma": 0.1},
    "gamma": {"looks": 25},
    "rician": {"sigma": 0.1},
    "noncentral-chi": {"sigma": 0.1, "coils": 4},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_law_and_parameters_are_found(name):
    measured = LAWS[name]()
    found = fit_family(measured)
    assert found.name == name
    assert found.certain
    for key, value in TRUTH.get(name, {}).items():
        assert found.parameters[key] == pytest.approx(value, rel=0.05)
    np.testing.assert_allclose(found.variance(measured.mean), measured.variance, rtol=0.15)
    assert found.alternatives[name] == 0 and min(found.alternatives.values()) == 0
    json.dumps(found.to_json())


def test_negative_values_rule_out_magnitude_and_speckle():
    mean, variance = chi(0.1, 1)
    found = fit_family(curve(mean, variance, lowest=-0.1))
    assert found.name in ("gaussian", "poisson-gaussian")
    assert not {"rician", "noncentral-chi", "gamma"} & set(found.alternatives)


def test_rician_far_above_its_floor_is_called_gaussian():
    assert fit_family(curve(SIGNAL + 1, np.full(20, 1e-4), 0.9)).name == "gaussian"


def test_groups_with_structure_do_not_decide():
    structure = np.where(np.arange(20) < 12, 1.0, 6.0)
    variance = np.where(np.arange(20) < 12, 0.01, 0.2)
    found = fit_family(curve(SIGNAL, variance, -0.3, structure))
    assert found.name == "gaussian" and found.certain
    assert found.parameters["sigma"] == pytest.approx(0.1, rel=0.03)


def test_clean_air_alone_is_not_certain():
    structure = np.where(SIGNAL < 0.2, 1.0, 6.0)
    assert not fit_family(curve(SIGNAL, np.full(20, 0.01), -0.3, structure)).certain


def test_magnitude_variance_is_that_of_the_law():
    mean, variance = chi(0.3, 1)
    family = NoiseFamily("rician", {"sigma": 0.3}, 0.0)
    np.testing.assert_allclose(family.variance(mean), variance, rtol=1e-3)
    # below the floor of 1.2533 sigma there is no such mean
    assert family.variance(0.0) == pytest.approx(0.09 * 0.4292, rel=1e-3)


def test_no_group_above_the_threshold():
    one = NoiseCurve(np.array([0.1]), np.array([0.01]), np.array([50]), np.array([5.0]), lowest=-1.0, threshold=0.2)
    found = fit_family(one)
    assert not found.certain
    assert found.variance(0.1) == pytest.approx(0.01)


def test_structured_groups_are_upper_bounds():
    """Three clean groups of about one brightness say little; that darker places vary less, structure or not, does."""
    mean = np.linspace(0.2, 1.0, 20)
    structure = np.where(mean > 0.85, 1.0, 8.0)
    variance = 0.01 * mean * np.where(mean > 0.85, 1.0, 1.5)
    assert fit_family(curve(mean, variance, 0.0, structure)).name in ("poisson-gaussian", "gamma")
    flat = np.where(mean > 0.85, 0.01, 0.05)
    assert fit_family(curve(mean, flat, 0.0, structure)).name == "gaussian"


def test_a_law_that_explains_nothing_is_not_certain():
    """Slices far apart: what differs between them looks like noise, of another strength everywhere."""
    variance = 0.01 * np.where(np.arange(20) % 3 == 0, 1.0, 60.0)
    assert not fit_family(curve(SIGNAL, variance, -0.3)).certain

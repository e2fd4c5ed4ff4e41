# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.data.kspace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_diffdenoise.data.kspace import FieldOfView, parse_header, root_sum_of_squares
from tests.data.hdf5_builders import HEADER, fourier

NUMBERS = {"ex": 8, "ey": 6, "rx": 4, "ry": 6, "fex": 200, "fey": 150.5, "frx": 100, "fry": 150.5, "fz": 4.5}


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
def test_an_image_comes_back_from_its_kspace(rows: int, columns: int, coils: int) -> None:
    rng = np.random.default_rng(rows * 100 + columns * 10 + coils)
    image = rng.random((coils, rows, columns)) * np.exp(1j * rng.random((coils, rows, columns)))
    found = root_sum_of_squares(fourier(image))
    np.testing.assert_allclose(found, np.sqrt((np.abs(image) ** 2).sum(0)), atol=1e-5)
    assert found.dtype == np.float32


def test_the_middle_is_kept() -> None:
    image = np.arange(8 * 5.0).reshape(1, 8, 5)
    np.testing.assert_allclose(root_sum_of_squares(fourier(image), (4, 9)), image[0, 2:6], atol=1e-4)


def test_noise_keeps_its_strength() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1, 64, 64)) + 1j * rng.normal(size=(1, 64, 64))
    assert np.mean(root_sum_of_squares(noise) ** 2) == pytest.approx(2, rel=0.1)


def test_the_header_tells_the_boxes_and_nothing_else() -> None:
    assert parse_header(HEADER.format(**NUMBERS)) == {
        "encodedSpace": FieldOfView((8, 6, 1), (200, 150.5, 4.5)),
        "reconSpace": FieldOfView((4, 6, 1), (100, 150.5, 4.5)),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no xml",
        "<a/>",
        HEADER.format(**NUMBERS)[:-30],
        '<!DOCTYPE a [<!ENTITY b "c">]>' + HEADER.format(**NUMBERS).split("\n", 1)[1],
        HEADER.format(**{name: "nan" for name in NUMBERS}),
        HEADER.format(**{name: -1 for name in NUMBERS}),
        HEADER.format(**{name: "1e99" for name in NUMBERS}),
    ],
)
def test_a_header_that_makes_no_sense_tells_nothing(text: str) -> None:
    assert parse_header(text) == {}

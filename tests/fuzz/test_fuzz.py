# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Whatever happened to a file, the program denoises it or says in one line why not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fuzz.mutations import MUTATIONS, mutate
from tests.fuzz.run import run_cases
from tests.fuzz.samples import make_samples

CASES = 500


def test_damage_is_reproducible_and_real():
    data = bytes(range(256)) * 20
    again = [mutate(data, np.random.default_rng([1, case])) for case in range(40)]
    assert again == [mutate(data, np.random.default_rng([1, case])) for case in range(40)]
    assert sum(damaged != data for damaged, _ in again) > 35
    names = {
        name for _, done in (mutate(data, np.random.default_rng(c)) for c in range(300)) for name in done.split("+")
    }
    assert names == {mutation.__name__ for mutation in MUTATIONS}


def test_some_damaged_files(tmp_path):
    samples = make_samples(tmp_path)
    outcomes = run_cases(samples, seed=1, count=40)
    assert [o for o in outcomes if o.kind not in ("denoised", "refused")] == []
    assert {o.kind for o in outcomes} == {"denoised", "refused"}


@pytest.mark.slow
def test_many_damaged_files(tmp_path):
    samples = make_samples(tmp_path)
    assert len(samples) > 30
    outcomes = run_cases(samples, seed=0, count=CASES)
    assert [o for o in outcomes if o.kind not in ("denoised", "refused")] == []
    assert len(outcomes) == CASES
    assert sum(o.text == "denoised" for o in outcomes) > 20

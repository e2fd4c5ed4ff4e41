# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A run's record, as the pipeline writes it, without a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from monai_diffdenoise.analysis import measure_noise
from monai_diffdenoise.data import Volume, volume_from_array
from monai_diffdenoise.data.phantom import make_phantom
from tests.browser import browser as browser


@dataclass(frozen=True)
class Record:
    volume: Volume
    noisy: torch.Tensor
    report: dict[str, Any]


@pytest.fixture(scope="session")
def record() -> Record:
    truth = make_phantom((64, 72, 32))[None] * 100
    noise = 8 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    noisy = volume_from_array(truth + noise, slice_axis=2)
    measured = measure_noise(noisy.image.as_tensor(), 2).to_json()
    report = {
        "plan": {"method": "bsn", "pairing": "blind", "noise": measured, "sigma": measured["sigma"]}
        | {"reasons": ["method bsn: because"], "network": "stack"},
        "settings": {"preset": "fast", "seed": 3, "fusion": False},
        "input": noisy.summary(),
        "seed": 3,
        "device": "cpu",
        "scores": {"pair_error": 0.5, "validations": [0.9, 0.6, 0.5], "best_validation": 3, "put_back": 0.25}
        | {"verdict": {"vote": "better", "reason": "it gains"}},
        "timings_s": {"training": 3.25},
        "versions": {"monai-diffdenoise": "1.2.3"},
        "warnings": ["look <here> & there"],
        "gates": [
            {"name": "mean drift", "value": 0.01, "threshold": 0.25, "verdict": "pass", "reason": "it stayed"},
            {"name": "seams", "value": 0.2, "threshold": 0.3, "verdict": "warn", "reason": "a step"},
        ],
    }
    return Record(noisy.with_image(truth + 0.2 * noise), noisy.image.as_tensor(), report)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Gates: questions that a denoised image must answer before it is trusted, without a clean image."""

from __future__ import annotations

from monai_diffdenoise.metrics.gates.clipping import clipping_gate
from monai_diffdenoise.metrics.gates.correlation import correlation_gate
from monai_diffdenoise.metrics.gates.created import created_energy, created_gate
from monai_diffdenoise.metrics.gates.drift import ClassDrift, class_drifts, mean_drift_gate
from monai_diffdenoise.metrics.gates.gate import Gate, NoiseLevel, as_slices, worst_verdict
from monai_diffdenoise.metrics.gates.seams import seam_gate
from monai_diffdenoise.metrics.gates.stages import stages_gate
from monai_diffdenoise.metrics.gates.structure import edge_energy, structure_gate

__all__ = [
    "ClassDrift",
    "Gate",
    "NoiseLevel",
    "as_slices",
    "class_drifts",
    "clipping_gate",
    "correlation_gate",
    "created_energy",
    "created_gate",
    "edge_energy",
    "mean_drift_gate",
    "seam_gate",
    "stages_gate",
    "structure_gate",
    "worst_verdict",
]

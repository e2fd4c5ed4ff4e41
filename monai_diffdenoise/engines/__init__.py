# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Ignite engines on noisy pairs, through MONAI's trainer and evaluator."""

from __future__ import annotations

from monai_diffdenoise.engines.attach import AttachHandler
from monai_diffdenoise.engines.best import BestWeights
from monai_diffdenoise.engines.checkpoint import AtomicCheckpoint, load_weights, save_atomically
from monai_diffdenoise.engines.condition import condition_volumes
from monai_diffdenoise.engines.ema import WeightAverage
from monai_diffdenoise.engines.export import export_network
from monai_diffdenoise.engines.flags import flag
from monai_diffdenoise.engines.generate_targets import generate_targets
from monai_diffdenoise.engines.guard import GradientGuard, TrainingDivergedError
from monai_diffdenoise.engines.muon import Muon
from monai_diffdenoise.engines.pair_training import PairTraining, TrainingOptions
from monai_diffdenoise.engines.placement import place
from monai_diffdenoise.engines.prepare import PreparePair
from monai_diffdenoise.engines.processes import distribute, process_device, start_processes, stop_processes
from monai_diffdenoise.engines.program import run_training
from monai_diffdenoise.engines.progress import ProgressCallback, ProgressDisplay, ReportProgress
from monai_diffdenoise.engines.report_scores import ReportScores
from monai_diffdenoise.engines.schedule import warmup_cosine
from monai_diffdenoise.engines.srds_targets import SRDSTargets, spread_confidence
from monai_diffdenoise.engines.target_cache import TargetCache
from monai_diffdenoise.engines.trainer import default_device, make_evaluator, make_trainer

__all__ = [
    "AtomicCheckpoint",
    "AttachHandler",
    "BestWeights",
    "GradientGuard",
    "Muon",
    "PairTraining",
    "PreparePair",
    "ProgressCallback",
    "ProgressDisplay",
    "ReportProgress",
    "ReportScores",
    "SRDSTargets",
    "TargetCache",
    "TrainingDivergedError",
    "TrainingOptions",
    "WeightAverage",
    "condition_volumes",
    "default_device",
    "distribute",
    "export_network",
    "flag",
    "generate_targets",
    "load_weights",
    "make_evaluator",
    "make_trainer",
    "place",
    "process_device",
    "run_training",
    "save_atomically",
    "spread_confidence",
    "start_processes",
    "stop_processes",
    "warmup_cosine",
]

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of quality, time and memory; ``python -m benchmarks.NAME --help`` from the root of a checkout."""

from __future__ import annotations

__all__: list[str] = []

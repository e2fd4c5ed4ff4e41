# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The command line's tests take the pipeline's stand-in for blind-spot networks."""

from __future__ import annotations

from tests.pipeline.conftest import blind_network

__all__ = ["blind_network"]

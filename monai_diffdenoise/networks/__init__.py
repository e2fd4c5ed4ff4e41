# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Networks: building blocks and whole nets."""

from __future__ import annotations

from monai_diffdenoise.networks.nets import LGBPN, ResidualDenoiser

__all__ = ["LGBPN", "ResidualDenoiser"]

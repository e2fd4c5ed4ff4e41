# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The MONAI Label app. ``diffdenoise label-app DIR`` copies ``app`` out; the tasks that it offers stay here."""

from __future__ import annotations

__all__: list[str] = []

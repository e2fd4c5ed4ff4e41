# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Stage 2 against what shares its optimum: the same information, the same work of training."""

from __future__ import annotations

__all__: list[str] = []

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Programs of other projects that serve this package."""

from __future__ import annotations

__all__: list[str] = []

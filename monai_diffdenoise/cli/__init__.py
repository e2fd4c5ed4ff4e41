# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The command line, one module a subcommand."""

from __future__ import annotations

__all__: list[str] = []

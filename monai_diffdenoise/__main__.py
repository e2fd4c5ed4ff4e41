# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_diffdenoise``: the same program as the command ``diffdenoise``."""

from __future__ import annotations

import sys

from monai_diffdenoise.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())

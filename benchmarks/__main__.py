# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The benchmarks by name: ``python -m benchmarks quality --help``."""

from __future__ import annotations

import importlib
import sys

_PROGRAMS = {
    "ablation": "benchmarks.ablation",
    "environments": "benchmarks.quality.environments",
    "first-light": "benchmarks.first_light",
    "floor": "benchmarks.floor",
    "quality": "benchmarks.quality.run",
    "scale": "benchmarks.scale",
    "speed": "benchmarks.speed",
    "tables": "benchmarks.quality.report",
}


def main() -> int:
    """Run one of the programs."""
    if len(sys.argv) < 2 or sys.argv[1] not in _PROGRAMS:
        print(f"usage: python -m benchmarks {{{','.join(_PROGRAMS)}}} ...", file=sys.stderr)
        return 2
    return importlib.import_module(_PROGRAMS[sys.argv[1]]).main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())

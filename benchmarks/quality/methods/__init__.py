# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What is compared: one file a method, each with ``LABEL`` and ``run``.

``run(case, seconds, seed)`` gets a :class:`benchmarks.cases.Case`, the CPU seconds that it may train, and a seed; it
returns outputs (C, *S) by variant, "" for the plain one. It raises :class:`MissingPeerError` where something is not
installed or the case is none for the method. ``PACKAGES`` names the distributions whose versions belong to a row.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

__all__ = ["METHODS", "MissingPeerError", "load_method"]


class MissingPeerError(Exception):
    """What the method needs is not there."""


METHODS = sorted(module.name for module in pkgutil.iter_modules(__path__))
"""Names of the files."""


def load_method(name: str) -> ModuleType:
    """The file of a method."""
    return importlib.import_module(f"benchmarks.quality.methods.{name}")

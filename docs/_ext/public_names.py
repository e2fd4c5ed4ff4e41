# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The Python reference holds every public name of the packages that it shows: a warning for each that it does not."""

from __future__ import annotations

import importlib
import pkgutil

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

import monai_diffdenoise

__all__ = ["setup"]

_LOGGER = logging.getLogger(__name__)


def _load(app: Sphinx) -> None:
    """Load what packages would load at first use: autodoc shows no more than what is there."""
    for unit in pkgutil.iter_modules(monai_diffdenoise.__path__, "monai_diffdenoise."):
        if unit.ispkg and unit.name.rpartition(".")[2] not in ("apps", "bundles", "cli"):
            package = importlib.import_module(unit.name)
            for name in package.__all__:
                setattr(package, name, getattr(package, name))


def _compare(app: Sphinx, env: BuildEnvironment) -> None:
    domain = env.get_domain("py")
    for module in domain.data["modules"]:
        for name in getattr(importlib.import_module(module), "__all__", ()):
            if f"{module}.{name}" not in domain.data["objects"]:
                _LOGGER.warning("the Python reference does not show %s.%s", module, name, location="api")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", _load)
    app.connect("env-check-consistency", _compare)
    return {"parallel_read_safe": True}

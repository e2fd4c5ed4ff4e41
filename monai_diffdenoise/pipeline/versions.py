# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which versions of which packages made a result."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["versions"]

_PACKAGES = ("monai-diffdenoise", "monai", "torch", "pytorch-ignite", "numpy", "nibabel", "pydicom")


def versions() -> dict[str, str]:
    """Versions of what results depend on, by the name of the distribution."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found

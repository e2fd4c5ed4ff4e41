# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Where this project's MONAI Bundles lie on disk, installed or in a checkout, from any working directory.

A wheel carries the repository's ``bundles/`` as ``monai_diffdenoise/bundles/``; an editable install leaves it at the
root of the checkout. A bundle's configuration finds itself with ``"$monai_diffdenoise.bundle_root('ns_n2n')"``, because
MONAI has no variable for the folder of a configuration file.
"""

from __future__ import annotations

from pathlib import Path

from monai_diffdenoise.errors import InputError

__all__ = ["available_bundles", "bundle_root"]

_PACKAGE = Path(__file__).resolve().parent


def _bundles_dir() -> Path:
    """Folder that holds the bundles: inside the package (wheel), else at the root of the checkout."""
    installed = _PACKAGE / "bundles"
    checkout = _PACKAGE.parent
    # In site-packages, "bundles" beside the package is somebody else's: setup.cfg marks our checkout.
    if not installed.is_dir() and (checkout / "setup.cfg").is_file():
        return checkout / "bundles"
    return installed


def available_bundles() -> tuple[str, ...]:
    """Names of the bundles of this installation, sorted.

    A bundle is a folder with ``configs/metadata.json``.
    """
    return tuple(sorted(path.parts[-3] for path in _bundles_dir().glob("*/configs/metadata.json")))


def bundle_root(name: str) -> str:
    """Absolute path of a bundle's folder, the one that holds ``configs/``.

    Args:
        name: folder name of the bundle, such as ``"ns_n2n"``.

    Returns:
        The path as a string, as MONAI's configuration language and command line expect it.

    Raises:
        InputError: when this installation has no bundle of that name.
    """
    known = available_bundles()
    if name not in known:
        choices = ", ".join(known) if known else "none (reinstall monai-diffdenoise)"
        raise InputError(f"no bundle is named {name!r}; this installation has: {choices}.")
    return str(_bundles_dir() / name)

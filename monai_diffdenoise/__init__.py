# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Self-supervised denoising of medical image volumes with MONAI.

The names of this package load on first use, so that ``import monai_diffdenoise`` costs neither torch nor monai (four to
six seconds of processor time) and ``diffdenoise --help`` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_diffdenoise.bundle import available_bundles, bundle_root
    from monai_diffdenoise.data import Volume, read_volume, write_volume
    from monai_diffdenoise.errors import InputError
    from monai_diffdenoise.pipeline import denoise, export_model

    __version__: str

__all__ = [
    "InputError",
    "Volume",
    "__version__",
    "available_bundles",
    "bundle_root",
    "denoise",
    "export_model",
    "read_volume",
    "write_volume",
]

_HOME = {
    "InputError": "errors",
    "Volume": "data",
    "available_bundles": "bundle",
    "bundle_root": "bundle",
    "denoise": "pipeline",
    "export_model": "pipeline",
    "read_volume": "data",
    "write_volume": "data",
}


def _version() -> str:
    """Version of the installed distribution, or a label that says that there is none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("monai-diffdenoise")
    except PackageNotFoundError:
        return "0+uninstalled"


def __getattr__(name: str) -> Any:
    """Load a public name from the module that holds it, once."""
    if name == "__version__":
        value: Any = _version()
    elif name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, loaded or not."""
    return sorted({*globals(), *__all__})

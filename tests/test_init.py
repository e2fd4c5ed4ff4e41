# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The root package: quick to import, every public name there on first use."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator

import pytest

import monai_diffdenoise

HEAVY = {"ignite", "monai", "nibabel", "numpy", "pydicom", "rich", "torch", "tyro"}


def _loaded_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import monai_diffdenoise",
        "import monai_diffdenoise; dir(monai_diffdenoise); monai_diffdenoise.__version__",
        "import monai_diffdenoise; monai_diffdenoise.InputError; monai_diffdenoise.available_bundles()",
    ],
)
def test_import_loads_nothing_heavy(statement: str) -> None:
    loaded = _loaded_after(statement)
    assert "monai_diffdenoise" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("name", monai_diffdenoise.__all__)
def test_public_name_resolves(name: str) -> None:
    value = getattr(monai_diffdenoise, name)
    if name != "__version__":
        assert value.__name__ == name
        assert value.__module__.startswith("monai_diffdenoise.")


def test_star_import_gives_the_public_names() -> None:
    namespace: dict[str, object] = {}
    exec("from monai_diffdenoise import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(monai_diffdenoise.__all__)


def test_dir_lists_names_that_are_not_loaded_yet() -> None:
    code = "import monai_diffdenoise as m; assert 'denoise' not in vars(m); print(*dir(m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(monai_diffdenoise.__all__) <= set(done.stdout.split())


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="monai_diffdenoise.*'denoize'"):
        monai_diffdenoise.denoize  # noqa: B018


@pytest.fixture
def version_not_loaded() -> Iterator[None]:
    """The package as before the first use of ``__version__``."""
    loaded = vars(monai_diffdenoise).pop("__version__", None)
    yield
    vars(monai_diffdenoise).pop("__version__", None)
    if loaded is not None:
        vars(monai_diffdenoise)["__version__"] = loaded


@pytest.mark.usefixtures("version_not_loaded")
def test_version_is_the_installed_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"7 of {name}")
    assert monai_diffdenoise.__version__ == "7 of monai-diffdenoise"


@pytest.mark.usefixtures("version_not_loaded")
def test_version_says_when_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", not_installed)
    assert monai_diffdenoise.__version__ == "0+uninstalled"

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The package's architecture, read from its source: imports go down only, and every module keeps to the house style."""

from __future__ import annotations

import ast
import configparser
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "monai_diffdenoise"
NAME = PACKAGE.name
# Scripts that are copied out of the package; other programs run them.
COPIED = PACKAGE / "apps" / "label" / "app"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if COPIED not in path.parents)
MAX_LINES = 300

# A unit may import units of a lower number, and itself. docs/architecture.md draws this.
LAYERS = {
    "errors": 0,
    "bundle": 1,
    "bundle_lint": 1,
    "networks": 1,
    "transforms": 2,
    "losses": 2,
    "metrics": 2,
    "inferers": 3,
    "analysis": 3,
    "data": 3,
    "engines": 4,
    "report": 4,
    "viewer": 4,
    "pipeline": 5,
    "apps": 6,
    "cli": 6,
    "__init__": 7,
    "__main__": 7,
}

# Import name of every runtime dependency -> its distribution in setup.cfg.
DEPENDENCIES = {
    # MONAI's diffusion U-Net asks for it, and does not bring it along
    "einops": "einops",
    "fire": "fire",
    "ignite": "pytorch-ignite",
    "monai": "monai",
    "nibabel": "nibabel",
    "numpy": "numpy",
    "pydicom": "pydicom",
    "rich": "rich",
    "torch": "torch",
    "tyro": "tyro",
    "yaml": "pyyaml",
}

# Optional libraries: import name -> the extra that brings them, and the only module that may import them.
OPTIONAL = {
    "highdicom": ("dicom-maps", "data.dicom_map"),
    "h5py": ("hdf5", "data.hdf5"),
    "onnx": ("export", "engines.onnx_file"),
    "onnxruntime": ("export", "engines.onnx_file"),
    "jinja2": ("report", "report.page"),
    "markupsafe": ("report", "report.page"),
    "matplotlib": ("report", "report.canvas"),
    "PIL": ("images", "data.png"),
    "tifffile": ("images", "data.tiff"),
}


def _module_name(path: Path) -> str:
    """Dotted name of a file of the package, ``__init__`` kept: data/nifti.py -> monai_diffdenoise.data.nifti."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _unit(module: str) -> str:
    """Sub-package or root module that a dotted name belongs to: monai_diffdenoise.data.nifti -> data."""
    return [*module.split("."), "__init__"][1]


def _imports(module: str, source: str) -> Iterator[str]:
    """Absolute dotted names that a module imports, at its top, inside functions and for type checkers alike."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            # `from . import name` may import the module `name`, so names of this package are kept.
            yield from (f"{origin}.{alias.name}" if origin.split(".")[0] == NAME else origin for alias in node.names)


def _climbs(module: str, source: str) -> list[str]:
    """Imports that go up or sideways: what this file exists to refuse."""
    here = _unit(module)
    targets = {_unit(name) for name in _imports(module, source) if name.split(".")[0] == NAME}
    # `from monai_diffdenoise import __version__` asks the root package, which loads nothing for it.
    targets -= {here, "__version__"}
    return sorted(target for target in targets if LAYERS.get(target, LAYERS["__init__"]) >= LAYERS[here])


def _foreign(module: str, source: str) -> set[str]:
    """Top-level packages that are neither ours nor the standard library's."""
    return {name.split(".")[0] for name in _imports(module, source)} - {NAME, *sys.stdlib_module_names}


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("data.nifti", "from ..errors import InputError", []),
        ("data.nifti", "from .volume import Volume", []),
        ("data.nifti", "from .. import __version__", []),
        ("data.nifti", "from monai_diffdenoise.pipeline import denoise", ["pipeline"]),
        ("data.nifti", "def f():\n    from ..engines.trainer import Trainer", ["engines"]),
        ("data.nifti", "import monai_diffdenoise.analysis.noise", ["analysis"]),
        ("data.__init__", "from .nifti import read", []),
        ("data.__init__", "from .. import denoise", ["denoise"]),
        ("networks.nets.unet", "from ..blocks import Residual", []),
        ("networks.nets.unet", "from ... import metrics", ["metrics"]),
        ("networks.nets.unet", "import monai_diffdenoise", ["__init__"]),
        ("cli.main", "from monai_diffdenoise.bundles import ns_n2n", ["bundles"]),
        ("cli.main", "from ..pipeline.settings import Settings", []),
    ],
)
def test_climbs_knows_up_from_down(module: str, source: str, expected: list[str]) -> None:
    assert _climbs(f"{NAME}.{module}", source) == expected


def test_foreign_sees_the_package_and_not_the_attribute() -> None:
    source = (
        "import os.path, scipy.ndimage\ndef f():\n    from skimage.metrics import x\nfrom .errors import InputError"
    )
    assert _foreign(f"{NAME}.bundle", source) == {"scipy", "skimage"}


def test_every_unit_has_a_layer() -> None:
    assert {_unit(_module_name(path)) for path in MODULES} <= LAYERS.keys()


@pytest.mark.parametrize("path", MODULES, ids=_module_name)
def test_imports_go_down_only(path: Path) -> None:
    assert _climbs(_module_name(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", MODULES, ids=_module_name)
def test_runtime_imports_are_declared_dependencies(path: Path) -> None:
    module = _module_name(path)
    allowed = {name for name, (_, home) in OPTIONAL.items() if module == f"{NAME}.{home}"}
    if _unit(module) == "apps":
        # what serves another program is only loaded by it
        allowed |= {"fastapi", "monailabel"}
    assert _foreign(module, path.read_text(encoding="utf-8")) <= DEPENDENCIES.keys() | allowed


def test_declared_dependencies_match_setup_cfg() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    required = {line.partition(">=")[0] for line in config["options"]["install_requires"].split()}
    assert required == set(DEPENDENCIES.values())


@pytest.mark.parametrize("path", MODULES, ids=_module_name)
def test_module_keeps_to_the_house_style(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    tree = ast.parse("\n".join(lines))
    assert lines[:2] == ["# Copyright (c) monai-diffdenoise contributors", "# SPDX-License-Identifier: Apache-2.0"]
    assert ast.get_docstring(tree), "no module docstring"
    assert len(lines) <= MAX_LINES
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    assert "__all__" in assigned, "no __all__"


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES}), ids=lambda path: path.name)
def test_every_folder_is_a_package(folder: Path) -> None:
    assert (folder / "__init__.py").is_file()

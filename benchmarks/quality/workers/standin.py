# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for torchvision, which the peers import but do not need for what is run here.

torchvision's wheels on PyPI are built for CUDA and do not load beside a CPU build of torch.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from typing import Any

__all__ = ["stand_in"]


class _Nothing:
    """Whatever was asked for; to use it is an error, to name it or derive from it is none."""

    def __init__(self, *arguments: object, **named: object) -> None:
        raise RuntimeError("this needs the real torchvision")


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Nothing,), {"BILINEAR": 2, "NEAREST": 0, "BICUBIC": 3})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        if name == self.package or name.startswith(f"{self.package}."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = _Module(spec.name)
        module.__dict__["__version__"] = "0"
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def stand_in(package: str = "torchvision") -> None:
    """From here on, importing the package or anything in it gives a stand-in."""
    sys.meta_path.insert(0, _Finder(package))

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Every public name says what it is, what it takes, what it gives and what it refuses; the reference lists them all."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from torch import nn

from tests.documents.blocks import ROOT

_API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
PACKAGES = ["monai_diffdenoise", *re.findall(r"^\.\. automodule:: (\S+)", _API, re.MULTILINE)]
# A summary that begins so says what is done; what comes back must be said as well. Others are what comes back.
_DEEDS = {"Average", "Check", "Choose", "Denoise", "Divide", "Estimate", "Go", "Judge", "Lint", "Load", "Look", "Make"}
_DEEDS |= {"Measure", "Move", "Parse", "Plan", "Read", "Run", "Score", "Train", "Write"}


def public_names() -> dict[str, Any]:
    """Each public object once, by the package that offers it first."""
    found: dict[int, tuple[str, Any]] = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            if not name.startswith("__"):
                found.setdefault(id(getattr(module, name)), (f"{package}.{name}", getattr(module, name)))
    return dict(found.values())


def members(kind: type) -> Iterator[tuple[str, Callable[..., Any], bool]]:
    """Public methods and properties that a class defines, and whether a documented base has them, too."""
    for name, member in vars(kind).items():
        call = getattr(member, "__func__", getattr(member, "fget", member))
        if not name.startswith("_") and inspect.isfunction(call):
            yield name, call, any(getattr(getattr(base, name, None), "__doc__", None) for base in kind.__mro__[1:])


def faults_of(
    call: Callable[..., Any], text: str | None, *, constructor: bool = False, one_is_clear: bool = True
) -> list[str]:
    """What a docstring leaves out.

    Args:
        call: the function, or what makes an object.
        text: its docstring; of a class with those of its bases.
        constructor: gives nothing back.
        one_is_clear: a single argument needs no line of its own, the sentence is about it.
    """
    if not text:
        return ["no docstring"]
    signature = inspect.signature(call)
    parameters = signature.parameters.values()
    names = [one.name for one in parameters if one.name not in ("self", "cls") and one.kind < one.VAR_POSITIONAL]
    names += [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    missing = [name for name in names if not re.search(rf"\b{name}\b", text)]
    faults = [f"no {name}" for name in missing if len(names) > 1 or not one_is_clear]
    if constructor:
        return faults
    gives = signature.return_annotation not in (None, "None", "Self", inspect.Signature.empty)
    if gives and text.split()[0] in _DEEDS and not re.search(r"\breturns?\b|Yields:", text, re.IGNORECASE):
        faults.append("no Returns")
    if re.search(r"^\s+raise [A-Z]", inspect.getsource(call), re.MULTILINE) and "Raise" not in text:
        faults.append("no Raises")
    return faults


def faults_of_class(kind: type) -> list[str]:
    """What the docstrings of a class and of what it defines leave out."""
    text = "\n".join(
        base.__doc__ or "" for base in kind.__mro__[:-1] if base.__module__.startswith("monai_diffdenoise")
    )
    # Python writes a docstring for data classes that have none
    own = None if (kind.__doc__ or "").startswith(f"{kind.__name__}(") else kind.__doc__
    made = "__init__" in vars(kind) and not issubclass(kind, Exception)
    # settings say themselves, in the help of each field
    said = any("Annotated" in str(note) for note in vars(kind).get("__annotations__", {}).values())
    faults = faults_of(kind, own and text, constructor=True, one_is_clear=False) if made and not said else []
    faults += [] if own else ["no docstring"]
    for name, call, has_base in members(kind):
        if issubclass(kind, nn.Module) and name == "forward":
            faults += [] if call.__doc__ or "Shape:" in text else ["forward: no docstring, and the class has no Shape"]
        elif not (has_base and not call.__doc__):
            faults += [f"{name}: {fault}" for fault in faults_of(call, call.__doc__)]
    return faults


@pytest.mark.parametrize(("name", "what"), public_names().items(), ids=public_names())
def test_public_name_is_documented(name: str, what: Any) -> None:
    if inspect.isclass(what):
        assert faults_of_class(what) == []
    elif inspect.isfunction(what):
        assert faults_of(what, what.__doc__) == []


def test_the_reference_lists_every_package() -> None:
    for unit in (ROOT / "monai_diffdenoise").iterdir():
        # bundles are configurations, subcommands have a page of their own, apps belong to other programs
        if unit.is_dir() and (unit / "__init__.py").exists() and unit.name not in ("bundles", "cli", "apps"):
            assert any(package.startswith(f"monai_diffdenoise.{unit.name}") for package in PACKAGES), unit.name


def test_faults_are_found() -> None:
    def lacks(image: int, target: int) -> int:
        """Read something."""
        raise ValueError

    assert faults_of(lacks, lacks.__doc__) == ["no image", "no target", "no Returns", "no Raises"]
    assert faults_of(lacks, None) == ["no docstring"]
    assert faults_of(lacks, "Sum of ``image`` and ``target``.\n\nRaises:\n  x") == []

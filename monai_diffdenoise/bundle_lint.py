# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Check a MONAI Bundle without running any of it: ``python -m monai_diffdenoise.bundle_lint BUNDLE_DIR``.

A configuration of MONAI is code: any ``_target_`` is called, any ``$`` text is evaluated. This lint reads both and says
where one does more than this project allows. It parses; it imports, calls and evaluates nothing.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

__all__ = ["lint_bundle", "lint_value", "main", "parse_config"]

ROOTS = ("ignite", "monai", "monai_diffdenoise", "torch")
CONFIGS = ("metadata.json", "train.yaml", "multi_gpu_train.yaml", "evaluate.yaml", "inference.json")
REQUIRED = ("LICENSE", "docs/README.md", "models", *(f"configs/{name}" for name in CONFIGS))
CODE = (".bat", ".conf", ".ipynb", ".py", ".pyc", ".pyd", ".sh", ".so")
# They load code or reach what the other rules keep out of reach.
LOADERS: tuple[str, ...] = ("monai.bundle", "monai.utils.module", "monai.utils.optional_import", "torch.classes")
LOADERS += ("torch.hub", "torch.jit", "torch.load", "torch.ops", "torch.package", "torch.utils.cpp_extension")

_REFERENCE = re.compile(r"@\w+(?:(?:::|#)\w+)*")
_MACRO = re.compile(r"%\w+(?:(?:::|#)\w+)*")
_TARGET = re.compile(r"[A-Za-z]\w*(?:\.\w+)+")
_LEAVES = (ast.Name, ast.Constant, ast.Load, ast.operator, ast.unaryop)
_NODES = (*_LEAVES, ast.Expression, ast.Attribute, ast.Call, ast.keyword, ast.BinOp, ast.UnaryOp)
_SPECIAL = ("_target_", "_mode_", "_requires_", "_disabled_", "_desc_")
_MODES = ("default", "callable")


class _Loader(yaml.SafeLoader):
    """Plain data only, and no key twice in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        pairs = [(self.construct_object(key, deep=True), value) for key, value in node.value]
        _refuse_duplicates(pairs)
        return super().construct_mapping(node, deep)


def _refuse_duplicates(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    keys = [str(key) for key, _ in pairs]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f"duplicate key {', '.join(twice)}: MONAI would take the last one")
    return pairs


def parse_config(path: Path) -> Any:
    """Parse a JSON or YAML file as plain data.

    Returns:
        dictionaries, lists and plain values.

    Raises:
        ValueError: not plain data, a key twice in a mapping, or no valid file of its kind.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text, object_pairs_hook=lambda pairs: dict(_refuse_duplicates(pairs)))
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _check_target(target: Any) -> Iterator[str]:
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        yield f"_target_ {target!r} is no full dotted path such as torch.nn.L1Loss"
        return
    root, *rest = target.split(".")
    if root not in ROOTS:
        yield f"_target_ {target} is not of {', '.join(ROOTS)}"
    elif target.startswith(LOADERS):
        yield f"_target_ {target} loads code"
    # a module's own imports are its attributes, so that torch.os.system would be a path like any other
    foreign = [name for name in rest if name.startswith("_") or name in sys.stdlib_module_names]
    if foreign:
        yield f"_target_ {target} goes through {foreign[0]}"


def _check_expression(text: str) -> Iterator[str]:
    try:
        tree = ast.parse(_REFERENCE.sub("ref_", text[1:]).strip(), mode="eval")
    except SyntaxError:
        yield f"{text!r} is not an expression on references (imports and statements are not allowed)"
        return
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            yield f"{text!r} uses {type(node).__name__}: allowed are references, attributes, calls on them, arithmetic"
        elif isinstance(node, ast.Name) and node.id != "ref_":
            yield f"{text!r} uses the name {node.id!r}: only references are allowed"
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            yield f"{text!r} uses the private attribute {node.attr!r}"
        elif isinstance(node, ast.Attribute) and not isinstance(node.value, (ast.Name, ast.Attribute, ast.Call)):
            yield f"{text!r} takes {node.attr!r} of something that is no reference"
        elif isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute):
            yield f"{text!r} calls something that is no attribute of a reference"


def _check_text(text: str) -> Iterator[str]:
    if text.startswith("$"):
        yield from _check_expression(text)
    elif text.startswith("@"):
        if not _REFERENCE.fullmatch(text):
            yield f"{text!r} is no reference to MONAI, which takes it for plain text"
    elif text.startswith("%"):
        if not _MACRO.fullmatch(text):
            yield f"{text!r} takes from another file, which depends on the working directory"
    elif text.startswith(("/", "~")) or re.match(r"[A-Za-z]:[\\/]", text):
        yield f"{text!r} is a path of one machine"
    else:
        try:
            float(text)
        except ValueError:
            return
        yield f"{text!r} is text that looks like a number: YAML needs 1.0e-3 for 1e-3, and no quotes"


def lint_value(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Check a parsed configuration.

    Args:
        value: as parsed.
        where: the id of the value, for the messages.

    Yields:
        (id, what is wrong there).
    """
    if isinstance(value, dict):
        for key, item in value.items():
            here = f"{where}::{key}" if where else str(key)
            # an override may name its place in the key itself: "train::dataset::_target_"
            parts = [part.lstrip("+") for part in re.split("::|#", str(key))]
            name = parts[-1]
            if "imports" in parts:
                yield here, "imports are not allowed: name classes by their full dotted path"
            elif name == "_target_":
                yield from ((here, problem) for problem in _check_target(item))
            elif name == "_mode_" and item not in _MODES:
                yield here, f"_mode_ {item!r} is not one of {', '.join(_MODES)}"
            elif name.startswith("_") and name not in _SPECIAL:
                yield here, f"{name} is no key of MONAI's that is allowed here"
            elif name != "_desc_":
                yield from lint_value(item, here)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from lint_value(item, f"{where}::{index}")
    elif isinstance(value, str):
        yield from ((where, problem) for problem in _check_text(value))


def lint_bundle(folder: Path) -> list[str]:
    """Check a bundle's files and configurations.

    Args:
        folder: the one that holds ``configs/``.

    Returns:
        one line for each problem, none for a clean bundle.
    """
    if not folder.is_dir():
        return [f"{folder}: is no folder; expected one that holds configs/, docs/ and models/"]
    problems = [f"{name}: is missing" for name in REQUIRED if not (folder / name).exists()]
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            problems.append(f"{name}: is a symbolic link")
        elif name == "scripts" or (path.is_file() and path.suffix.lower() in CODE):
            problems.append(f"{name}: is code, or evaluated as such; behavior belongs into the package")
    for path in sorted(path for path in (folder / "configs").rglob("*") if path.suffix in (".json", ".yaml", ".yml")):
        name = path.relative_to(folder).as_posix()
        try:
            content = parse_config(path)
            if not isinstance(content, dict):
                problems.append(f"{name}: holds no mapping")
            elif name != "configs/metadata.json":
                problems += [f"{name}: {where}: {problem}" for where, problem in lint_value(content)]
        except (ValueError, RecursionError) as error:
            problems.append(f"{name}: {' '.join(str(error).split())}")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Lint the bundles named on the command line; returns 0 when all are clean, else 2."""
    folders = list(sys.argv[1:] if arguments is None else arguments)
    if not folders:
        print("usage: python -m monai_diffdenoise.bundle_lint BUNDLE_DIR ...", file=sys.stderr)
        return 2
    problems = [f"{folder}: {problem}" for folder in folders for problem in lint_bundle(Path(folder))]
    print("\n".join(problems) or f"clean: {', '.join(folders)}", file=sys.stderr if problems else sys.stdout)
    return 2 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The bundle lint: clean on what is shipped, and it catches each thing that a configuration must not do."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from pydoc import locate
from typing import Any

import pytest

from monai_diffdenoise.bundle import available_bundles, bundle_root
from monai_diffdenoise.bundle_lint import CONFIGS, REQUIRED, ROOTS, lint_bundle, lint_value, main, parse_config

GOOD = {
    "dir": "$@root + '/models'",
    "n": "$2 * @a::b - -@a#c // 3",
    "net": {"_target_": "torch.nn.L1Loss", "_disabled_": "@flag"},
    "on": "$@net.to(@device, non_blocking=True).weight",
    "program": ["$@trainer.run()"],
    "run": "%program",
    "_desc_": "1e-3 of /anything",
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with every required file and nothing wrong."""
    for name in REQUIRED:
        path = tmp_path / "b" / name
        if path.suffix or path.name == "LICENSE":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(GOOD) if path.suffix in (".json", ".yaml") else "text", encoding="utf-8")
        else:
            path.mkdir(parents=True)
    return tmp_path / "b"


@pytest.mark.parametrize("name", available_bundles())
def test_shipped_bundles_are_clean(name: str) -> None:
    assert lint_bundle(Path(bundle_root(name))) == []


def test_good_bundle_is_clean(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint_bundle(bundle) == []
    assert main([str(bundle)]) == 0
    assert "clean" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"imports": ["$import os"]}, "imports are not allowed"),
        ({"+imports": []}, "imports are not allowed"),
        ({"imports::0": "$import os"}, "imports are not allowed"),
        ({"x": "$import os"}, "not an expression"),
        ({"x": "$x = 1"}, "not an expression"),
        ({"x": "$lambda x: x"}, "Lambda"),
        ({"x": "$os.path.exists(@ckpt)"}, "'os'"),
        ({"x": "$__import__('os').system('true')"}, "__import__"),
        ({"x": "$torch.cuda.is_available()"}, "'torch'"),
        ({"x": "$print(@a)"}, "'print'"),
        ({"x": "$@a(1)"}, "no attribute of a reference"),
        ({"x": "$@a.__class__"}, "private attribute"),
        ({"x": "$'{0.x}'.format(@a)"}, "no reference"),
        ({"x": "$@a[0]"}, "Subscript"),
        ({"x": "$[i for i in @a]"}, "ListComp"),
        ({"x": "$@a if @b else @c"}, "IfExp"),
        ({"x": "$f'{@a}'"}, "JoinedStr"),
        ({"x": [{"y": {"z": "$(@a := 1)"}}]}, "x::0::y::z"),
        ({"x": {"_target_": "scipy.ndimage.zoom"}}, "scipy.ndimage.zoom is not of"),
        ({"x": {"_target_": "monailabel.main"}}, "is not of"),
        ({"x": {"_target_": "os.system"}}, "is not of"),
        ({"x": {"_target_": "UNet"}}, "no full dotted path"),
        ({"x": {"_target_": "$@model.forward"}}, "no full dotted path"),
        ({"x": {"_target_": "@a"}}, "no full dotted path"),
        ({"x": {"_target_": 1}}, "no full dotted path"),
        ({"x": {"_target_": "torch.os.system"}}, "goes through os"),
        ({"x": {"_target_": "torch.nn.__builtins__.eval"}}, "goes through __builtins__"),
        ({"x": {"_target_": "torch._dynamo.reset"}}, "goes through _dynamo"),
        ({"x": {"_target_": "torch.hub.load"}}, "loads code"),
        ({"x": {"_target_": "torch.load"}}, "loads code"),
        ({"x::_target_": "os.system"}, "is not of"),
        ({"x#_target_": "os.system"}, "is not of"),
        ({"x": {"_target_": "torch.nn.L1Loss", "_mode_": "debug"}}, "_mode_"),
        ({"x": {"_target_": "torch.nn.L1Loss", "_debug_": True}}, "_debug_"),
        ({"x": {"_target_": "torch.nn.L1Loss", "_requires_": ["$exit()"]}}, "'exit'"),
        ({"lr": "1e-3"}, "looks like a number"),
        ({"lr": "0.1"}, "looks like a number"),
        ({"x": "@a-b"}, "no reference to MONAI"),
        ({"x": "%other.yaml#net"}, "another file"),
        ({"x": "/home/me/data"}, "path of one machine"),
        ({"x": "~/data"}, "path of one machine"),
        ({"x": "C:\\data"}, "path of one machine"),
    ],
)
def test_violation_is_found(bundle: Path, config: dict[str, Any], message: str) -> None:
    (bundle / "configs" / "inference.json").write_text(json.dumps(config), encoding="utf-8")
    problems = lint_bundle(bundle)
    assert problems
    assert all(problem.startswith("configs/inference.json: ") for problem in problems)
    assert any(part in problem for problem in problems for part in message.split("|")), problems


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train.yaml", "lr: 1e-3\n", "looks like a number"),
        ("train.yaml", "a: 1\nb:\n  c: 1\n  c: 2\n", "duplicate key c"),
        ("inference.json", '{"a": {"b": 1, "b": 2}}', "duplicate key b"),
        ("metadata.json", '{"a": 1, "a": 2}', "duplicate key a"),
        ("train.yaml", "a: !!python/object/apply:os.system [true]\n", "could not determine a constructor"),
        ("train.yaml", "a: $dict(k={1: 2})\n  b\n", "mapping values|could not find"),
        ("train.yaml", "a: &a [*a]\n", "recursion"),
        ("train.yaml", "? [a, b]\n: 1\n", "unhashable"),
        ("train.yaml", "- a\n", "holds no mapping"),
        ("inference.json", "{", "Expecting"),
        ("inference.json", "[" * 100_000, "recursion"),
    ],
)
def test_bad_file_is_found(bundle: Path, name: str, text: str, message: str) -> None:
    (bundle / "configs" / name).write_text(text, encoding="utf-8")
    problems = lint_bundle(bundle)
    assert len(problems) == 1
    assert problems[0].startswith(f"configs/{name}: ")
    assert "\n" not in problems[0]
    assert any(part in problems[0] for part in message.split("|")), problems


@pytest.mark.parametrize(
    "name", ["configs/logging.conf", "scripts", "scripts/net.py", "docs/a.ipynb", "yaml.py", "x.so"]
)
def test_code_is_found(bundle: Path, name: str) -> None:
    path = bundle / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("", encoding="utf-8") if path.suffix else path.mkdir()
    assert f"{name}: is code, or evaluated as such; behavior belongs into the package" in lint_bundle(bundle)


def test_link_out_of_the_bundle_is_found(bundle: Path, tmp_path: Path) -> None:
    (bundle / "docs" / "link.md").symlink_to(tmp_path / "elsewhere")
    assert lint_bundle(bundle) == ["docs/link.md: is a symbolic link"]


@pytest.mark.parametrize("name", [name for name in REQUIRED if name != "models"])
def test_missing_file_is_found(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    assert lint_bundle(bundle) == [f"{name}: is missing"]


@pytest.mark.parametrize("arguments", [[], ["/no/such/folder"]])
def test_wrong_call_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1


def test_nothing_is_evaluated(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lint of a hostile bundle leaves no trace, and calls neither eval, exec nor __import__ on what it reads."""
    trace = tmp_path / "trace"
    config = {
        "a": f"$open({str(trace)!r}, 'w')",
        "b": {"_target_": "pathlib.Path.touch", "self": str(trace)},
        "c": "$import antigravity",
        "d": "$[][0]",
    }
    (bundle / "configs" / "train.yaml").write_text(json.dumps(config), encoding="utf-8")

    def refuse(*arguments: Any, **kwargs: Any) -> None:
        raise AssertionError("evaluated")

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "eval", refuse)
        patch.setattr(builtins, "exec", refuse)
        problems = lint_bundle(bundle)
    assert len({problem.split(": ")[1] for problem in problems}) == 5
    assert not trace.exists()
    assert "antigravity" not in sys.modules


def _targets(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "_target_" in value:
            yield value["_target_"]
        for item in value.values():
            yield from _targets(item)
    elif isinstance(value, list):
        for item in value:
            yield from _targets(item)


@pytest.mark.parametrize("name", available_bundles())
def test_every_target_is_what_its_path_says(name: str) -> None:
    configs = [path for path in (Path(bundle_root(name)) / "configs").iterdir() if path.name != "metadata.json"]
    targets = {target for path in configs for target in _targets(parse_config(path))}
    assert len(targets) > 10
    for target in sorted(targets):
        found = locate(target)
        assert callable(found), target
        assert found.__module__.split(".")[0] in ROOTS, target


def test_good_values_pass() -> None:
    assert list(lint_value(GOOD)) == []
    assert len(CONFIGS) == 5


def test_command_from_another_folder(bundle: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "monai_diffdenoise.bundle_lint"]
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PATH": ""}
    good = subprocess.run([*command, str(bundle)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    (bundle / "configs" / "logging.conf").touch()
    bad = subprocess.run([*command, str(bundle)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (good.returncode, bad.returncode) == (0, 2)
    assert "logging.conf" in bad.stderr

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The bundles as files: metadata, versions, and pages whose commands exist."""

from __future__ import annotations

import configparser
import inspect
import json
import re
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import monai.bundle
import pytest

from monai_diffdenoise.bundle import available_bundles
from monai_diffdenoise.bundle_lint import parse_config
from tests.bundles.kit import BUNDLES, REPOSITORY, Bundle


def test_every_bundle_is_tested() -> None:
    assert sorted(bundle.name for bundle in BUNDLES) == sorted(available_bundles())


def test_metadata_holds_what_the_schema_demands(bundle: Bundle) -> None:
    """The facts of MONAI's meta_schema_20240725.json, which is not to be had without a network."""
    metadata = bundle.metadata
    text, obj = {"type": "string"}, {"type": "object"}
    tensor = {
        "type": "object",
        "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
        "properties": {
            "num_channels": {"type": "integer"},
            "spatial_shape": {"type": "array", "items": {"type": ["integer", "string"]}},
            "dtype": text,
            "value_range": {"type": "array", "items": {"type": "number"}},
            "is_patch_data": {"type": "boolean"},
            "channel_def": obj,
        },
    }
    data_format = {
        "type": "object",
        "required": ["inputs", "outputs"],
        "properties": {side: {"additionalProperties": tensor} for side in ("inputs", "outputs")},
    }
    required = "schema version monai_version pytorch_version numpy_version required_packages_version task description"
    texts = "schema version monai_version pytorch_version numpy_version task description authors copyright data_source"
    texts += " data_type image_classes label_classes pred_classes intended_use name"
    objects = "changelog required_packages_version eval_metrics supported_apps"
    schema = {
        "type": "object",
        "required": [*required.split(), "authors", "copyright", "network_data_format"],
        "properties": {
            **{name: text for name in texts.split()},
            **{name: obj for name in objects.split()},
            "references": {"type": "array", "items": text},
        },
        "patternProperties": {"^[_a-zA-Z0-9]+_data_format$": data_format},
    }
    validator = jsonschema.Draft201909Validator(schema)
    validator.validate(metadata)
    for spoiled in ({"version": 1}, {"authors": ["a"]}, {"changelog": []}, {"network_data_format": {"inputs": {}}}):
        assert not validator.is_valid({**metadata, **spoiled})
    assert metadata["schema"] == "https://project-monai.github.io/schema/meta_schema_20240725.json"
    for name in metadata:
        assert name != "optional_packages_version", "deprecated"


def test_versions_agree(bundle: Bundle) -> None:
    metadata = bundle.metadata
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    package = setup["metadata"]["version"]
    assert metadata["version"] in metadata["changelog"]
    assert metadata["version"] == package
    assert metadata["required_packages_version"] == {"monai-diffdenoise": package}
    pins = dict(re.findall(r"^([\w-]+)==([\w.]+)", (REPOSITORY / "constraints.txt").read_text(encoding="utf-8"), re.M))
    assert metadata["monai_version"] == pins["monai"] == version("monai")
    assert metadata["pytorch_version"] == pins["torch"]


def _commands() -> list[list[str]]:
    found = []
    for bundle in BUNDLES:
        for block in re.findall(r"```bash\n(.*?)```", bundle.readme, re.S):
            found += [shlex.split(line.replace("PATH", str(bundle.root))) for line in block.strip().splitlines()]
    return found


@pytest.mark.parametrize("command", _commands(), ids=lambda command: " ".join(command[:5]))
def test_readme_command_is_one_that_exists(command: list[str]) -> None:
    module = command.index("-m")
    assert command[: module + 1] in (["python", "-m"], ["torchrun", "--standalone", "--nproc_per_node=2", "-m"])
    if command[module + 1] == "monai_diffdenoise.bundle_lint":
        assert Path(command[module + 2]).is_dir()
        return
    assert command[module + 1] == "monai.bundle"
    program, *rest = command[module + 2 :]
    known = set(inspect.signature(getattr(monai.bundle, program)).parameters)
    words = rest[1:] if program == "run" else rest
    assert len(words) % 2 == 0
    options = dict(zip(words[::2], words[1::2], strict=True))
    files = options["--config_file"]
    configs = [Path(file) for file in (json.loads(files.replace("'", '"')) if files.startswith("[") else [files])]
    ids: dict[str, Any] = {}
    for config in configs:
        ids.update(parse_config(config))
    for option in options:
        assert option.startswith("--")
        assert option[2:] in known | set(ids), option
    if program == "run":
        assert rest[0] in ids


def test_readme_has_the_sections_of_the_zoo(bundle: Bundle) -> None:
    headings = re.findall(r"^#+ (.*)", re.sub(r"```.*?```", "", bundle.readme, flags=re.S), re.M)
    wanted = "Model Overview/Data/Training configuration/Input/Output/Performance/MONAI Bundle Commands/Limitations"
    assert [heading for heading in headings if heading in wanted.split("/")] == wanted.split("/")
    assert headings[-2:] == ["References", "License"]
    assert "TorchScript" in bundle.readme
    assert "TensorRT" in bundle.readme


def test_programs_run_by_name_and_without(bundle: Bundle) -> None:
    for path, program in ((bundle.train, "training"), (bundle.evaluate, "evaluating"), (bundle.inference, "denoising")):
        config = parse_config(path)
        assert config["run"] == f"%{program}"
        assert isinstance(config[program], list)
        assert config["dataset_dir"] == "phantom"

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A reader who types what the documents say, on small files that stand in for the reader's own."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import monai.bundle
import nibabel as nib
import numpy as np
import pytest
import yaml

from monai_diffdenoise.cli.main import main
from tests.bundles.kit import TINY, write_noisy
from tests.documents.blocks import ROOT, Block, find_blocks

__all__ = ["Reader", "untried"]

_UNTRIED = {
    r"^pip (install|download|wheel)|^python -m venv|^cp ": ".ci/run installs the project in new environments",
    r"^pytest|^\.ci/run|^ruff|^mypy|^sphinx-build|^git ": "what .ci/run is made of",
    r"^torchrun": "tests/bundles trains in two processes",
    r"monai\.bundle (ckpt|onnx)_export": "tests/bundles exports every bundle",
    r"^diffdenoise demo": ".ci/run runs it",
    r"^diffdenoise label-app": "tests/apps runs it",
    r"^diffdenoise view": "serves until Ctrl-C; tests/viewer opens its page in a browser",
    r"^diffdenoise (fit|denoise .*--model)": "trains a model; tests/cli and tests/pipeline do, on small volumes",
    r"^diffdenoise export": "needs a trained model; tests/pipeline exports every network",
    r"^docs/datasets/|/data/fastMRI|/data/M4Raw": "needs data sets that cannot be passed on; tests run the recipes",
    r"^\.ci/refresh_niivue": "asks the npm registry",
    r"^B=": "only names a folder",
    r"^python -m (timeit|pytest)": "prints a time; runs tests that .ci/run runs",
    r"\$B/": "a slow test of tests/bundles runs the chain of bundles",
}
_UNTRIED_PYTHON = {
    "out_{name}": "scores what the chain of bundles made; a slow test of tests/bundles runs that",
    "/data/": "needs data sets that cannot be passed on; tests/data reads files of their layout",
    "student.": "needs an exported model; tests/pipeline runs exported networks",
    "input(": "waits for a person; tests/viewer serves and stops",
    "DICOMwebClient": "talks to a server; tests/apps stores in one",
}


def untried(words: list[str]) -> str | None:
    """Why the tests of the documents do not run a command; None if they do."""
    line = " ".join(words)
    return next((why for pattern, why in _UNTRIED.items() if re.search(pattern, line)), None)


class Reader:
    """Runs what the documents say in a folder, and provides the files that this reads.

    Args:
        folder: the working directory; ``/data`` is a folder in it.
        make_series: writes a DICOM series into a folder of that name.
    """

    def __init__(self, folder: Path, make_series: Callable[..., Path]) -> None:
        self.folder, self.make_series = folder, make_series
        shutil.copytree(ROOT / "bundles", folder / "bundles", ignore=shutil.ignore_patterns("*.pt"))

    def follow(self, block: Block) -> None:
        """Do what a block says; whatever does not succeed raises."""
        if block.language == "python":
            if any(part in block.text for part in _UNTRIED_PYTHON):
                return
            for name in re.findall(r'(?:read_volume|denoise|Path)\("([^"]+)"', block.text):
                self._provide(name)
            exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})
        else:
            self._write_configurations(block.document)
            for words in block.commands:
                if untried(words) is None:
                    self._type([word.replace("PATH", str(self._bundle_of(block))) for word in words])

    def _write_configurations(self, document: Path) -> None:
        """The configurations of a page, whose first lines name them."""
        for block in find_blocks(document):
            if block.language == "yaml":
                Path(self.folder, block.text.partition("\n")[0].lstrip("# ")).write_text(block.text, encoding="utf-8")

    def _bundle_of(self, block: Block) -> Path:
        return self.folder / "bundles" / block.document.parents[1].name

    def _type(self, words: list[str]) -> None:
        if words[0] == "diffdenoise":
            self._program(words[1:])
        elif words[:3] == ["python", "-m", "monai_diffdenoise"]:
            self._program(words[3:])
        elif words[:4] == ["python", "-m", "monai.bundle", "run"]:
            self._bundle(words[4], dict(zip(words[5::2], words[6::2], strict=True)))
        elif words[:2] == ["python", "-m"]:
            self._module(words[2], words[3:])
        else:
            raise AssertionError(f"nobody tries this command: {' '.join(words)}")

    def _program(self, words: list[str]) -> None:
        if "--help" in words:
            with pytest.raises(SystemExit) as end:
                main(words)
            assert not end.value.code
            return
        reads = {"analyze": (1,), "batch": (1,), "denoise": (1,), "evaluate": (1, 2)}[words[0]]
        for place, word in enumerate(words):
            if place in reads or words[place - 1] == "--mask":
                self._provide(word)
        # a check of a tiny result may fail
        assert main(words) in ((0, 3) if "--strict" in words else (0,)), words

    def _bundle(self, program: str, flags: dict[str, str]) -> None:
        given: dict[str, Any] = {name.lstrip("-"): yaml.safe_load(value) for name, value in flags.items()}
        for name, value in given.items():
            if isinstance(value, str) and value.startswith("/data/"):
                given[name] = self._provide(value) if name == "dataset_dir" else str(self.folder / value.lstrip("/"))
        files = given.pop("config_file")
        root = Path(files if isinstance(files, str) else files[0]).parents[1].resolve()
        tiny = TINY if program == "training" else {"device": "cpu"}
        if program in ("training", "denoising") and Path(str(given.get("output_dir"))).exists():
            # variants; what follows uses the first one's
            given["output_dir"] += f"_{len(list(self.folder.rglob('*')))}"
        monai.bundle.run(run_id=program, config_file=files, bundle_root=str(root), **{**tiny, **given})

    def _module(self, module: str, words: list[str]) -> None:
        if module.startswith(("benchmarks", "tests")):
            assert importlib.util.find_spec(module), f"there is no {module}"
            flags = {word.partition("=")[0] for word in words if word.startswith("--")}
            if not flags:
                # it may know no --help and start to work
                return
            program = words[:1] if re.match(r"[a-z]", words[0]) else []
            known = set(re.findall(r"--[\w-]+", _help(module, *program)))
            assert flags <= known, f"{module} knows no {flags - known}"
        else:
            subprocess.run([sys.executable, "-m", module, *words], cwd=ROOT, capture_output=True, check=True)

    def _provide(self, name: str) -> str:
        path = self.folder / name.lstrip("/")
        if path.exists():
            return str(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if "mask" in name:
            like = nib.load(write_noisy(path))
            nib.save(nib.Nifti1Image(np.ones(like.shape, np.uint8), like.affine), path)
        elif name.endswith((".nii", ".nii.gz")):
            write_noisy(path)
            if "4d" in name:
                once = nib.load(path)
                nib.save(nib.Nifti1Image(np.stack([once.get_fdata()] * 3, -1).astype(np.int16), once.affine), path)
        elif name.startswith("/data/") or name == "IN_DIR":
            path.mkdir()
            write_noisy(path / "a.nii.gz")
        elif path.suffix:
            raise AssertionError(f"nobody provides {name}")
        else:
            self.make_series(str(path.relative_to(self.folder)), slices=8, shape=(32, 32))
        return str(path)


@cache
def _help(module: str, *words: str) -> str:
    """What a module of the repository says about its options."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(sys, "argv", [module, *words, "--help"])
        patch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit):
            runpy.run_module(module, run_name="__main__", alter_sys=False)
    return said.getvalue()

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What README, documentation and bundles tell a reader to type works; ``reader.py`` says what nobody tries, and why."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from monai_diffdenoise.pipeline.presets import PRESETS
from monai_diffdenoise.pipeline.stage_presets import STAGE_PRESETS
from tests.documents.blocks import DOCUMENTS, ROOT, Block, find_blocks
from tests.documents.reader import Reader, untried

_TRIED = {"bash", "python"}
# console: commands that talk to a server; tests/apps does
# {code-cell}: test_tutorials.py runs pages of them; yaml: what the commands of its page are given
_UNSEEN = {"console", "yaml", "{code-cell}", "{command-line}", "{eval-rst}", "{literalinclude}", "{toctree}"}
BLOCKS = [block for document in DOCUMENTS for block in find_blocks(document)]
ALONE = [block for block in BLOCKS if block.language in _TRIED and block.document.parents[1].parent != ROOT / "bundles"]
QUICK = [block for block in ALONE if not re.search(r"python -m (?!monai_diffdenoise)", block.text)]


@pytest.fixture
def reader(tmp_path: Path, make_series: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Reader:
    """In a folder of its own, with little patience: each preset stands for a few steps."""
    monkeypatch.chdir(tmp_path)
    later = {"diffusion_iterations": 4, "diffusion_channels": 8, "student_iterations": 4, "recorruptions": 1}
    for values in [*(values for presets in PRESETS.values() for values in presets.values()), *STAGE_PRESETS.values()]:
        for name, value in {"iterations": 4, "channels": 4, "patch_size": 16, "batch_size": 2, **later}.items():
            if name in values:
                monkeypatch.setitem(values, name, value)
    return Reader(tmp_path, make_series)


@pytest.mark.parametrize("block", QUICK, ids=str)
def test_block_does_what_it_says(block: Block, reader: Reader) -> None:
    reader.follow(block)


@pytest.mark.slow
@pytest.mark.parametrize("block", [block for block in ALONE if block not in QUICK], ids=str)
def test_block_that_starts_a_module_does_what_it_says(block: Block, reader: Reader) -> None:
    reader.follow(block)


def _readme(name: str) -> list[Block]:
    blocks = find_blocks(ROOT / "bundles" / name / "docs" / "README.md")
    # nothing was interrupted
    return [block for block in blocks if "--resume" not in block.text]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bsn", "ns_n2n"])
def test_bundle_is_used_as_its_readme_says(name: str, reader: Reader) -> None:
    for block in _readme(name):
        reader.follow(block)


@pytest.mark.slow
def test_later_stages_are_used_as_their_readmes_say(reader: Reader) -> None:
    first = ROOT / "bundles" / "bsn" / "docs" / "README.md"
    train = "python -m monai.bundle run training --config_file PATH/configs/train.yaml"
    reader.follow(Block(first, 1, "bash", f"{train} --dataset_dir /data/noisy --output_dir /data/bsn"))
    for block in [*_readme("diffusion"), *_readme("nafnet")]:
        # on single slices all bundles are trained so; the page says that
        lines = [line for line in block.text.splitlines() if "--context 0" not in line]
        reader.follow(replace(block, text="\n".join(lines)))


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_language_is_one_that_somebody_looks_at(block: Block) -> None:
    assert block.language in _TRIED | _UNSEEN


def test_a_wrong_command_is_noticed(reader: Reader) -> None:
    document = ROOT / "README.md"
    for text in (
        "diffdenoise denoise noisy.nii.gz denoised.nii.gz --method none",
        "diffdenoise denoise noisy.nii.gz out.xyz",
        "nobody knows this",
    ):
        with pytest.raises((AssertionError, SystemExit)):
            reader.follow(Block(document, 1, "bash", text))
    with pytest.raises(ImportError):
        reader.follow(Block(document, 1, "python", "from monai_diffdenoise import nothing_of_that_name"))


def test_untried_commands_have_a_reason() -> None:
    assert untried(["pip", "install", "x"]) and untried(["diffdenoise", "denoise", "a", "b"]) is None

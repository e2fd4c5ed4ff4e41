# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all bundles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.bundles.kit import BUNDLES, TINY, Bundle, run, write_noisy


@pytest.fixture(params=BUNDLES, ids=lambda bundle: bundle.name, scope="session")
def bundle(request: pytest.FixtureRequest) -> Bundle:
    """Each bundle in turn."""
    return request.param


@pytest.fixture(autouse=True)
def anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in a folder that has nothing to do with the bundles, refuse duplicate keys, leave nothing in them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MONAI_FAIL_ON_DUPLICATE_CONFIG", "1")
    before = [sorted(bundle.root.rglob("*")) for bundle in BUNDLES]
    yield
    assert [sorted(bundle.root.rglob("*")) for bundle in BUNDLES] == before


@pytest.fixture(scope="session")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two noisy volumes of different sizes."""
    folder = tmp_path_factory.mktemp("noisy")
    write_noisy(folder / "a.nii.gz")
    write_noisy(folder / "b.nii", seed=1, shape=(28, 36, 9))
    return folder


@pytest.fixture(scope="session")
def made(noisy: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """What a tiny training of a bundle wrote, and ``bsn_checkpoint`` and ``targets_dir``, which others need."""

    @cache
    def find(name: str) -> Path:
        if name == "bsn_checkpoint":
            return find("bsn") / "model.pt"
        folder = tmp_path_factory.mktemp(name)
        if name == "targets_dir":
            bundle = BUNDLES[2]
            weights = {"bsn_checkpoint": find("bsn_checkpoint"), "ckpt_path": find("diffusion") / "model.pt"}
            draws = {"sampler": "srds", "steps": 2, "weigh": True}
            run(bundle.inference, "infer", "generating", dataset_dir=noisy, targets_dir=folder, **draws, **weights)
            return folder
        bundle = next(bundle for bundle in BUNDLES if bundle.name == name)
        needed = {need: find(need) for need in bundle.needs}
        run(bundle.train, "train", dataset_dir=noisy, output_dir=folder, **needed, **TINY)
        return folder

    return find


@pytest.fixture(scope="session")
def given(bundle: Bundle, made: Callable[[str], Path]) -> Callable[[str], dict[str, Path]]:
    """The overrides without which a bundle's programs of a kind have nothing to work on."""
    return lambda kind: {name: made(name) for name, kinds in bundle.needs.items() if kind in kinds}


@pytest.fixture(scope="session")
def model(bundle: Bundle, made: Callable[[str], Path]) -> Path:
    """Folder with what a tiny training wrote."""
    return made(bundle.name)

# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all bundles."""

from __future__ import annotations

from collections.abc import Iterator
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
def model(bundle: Bundle, noisy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with what a tiny training wrote."""
    folder = tmp_path_factory.mktemp("model")
    run(bundle.train, "train", dataset_dir=noisy, output_dir=folder, **TINY)
    return folder

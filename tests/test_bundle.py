# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Bundles are found in a checkout and in an installed wheel, whatever the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_diffdenoise import bundle
from monai_diffdenoise.errors import InputError


def _add_bundle(folder: Path, name: str) -> Path:
    (folder / name / "configs").mkdir(parents=True)
    (folder / name / "configs" / "metadata.json").write_text("{}", encoding="utf-8")
    return folder / name


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package folder, standing where the real one stands."""
    root = tmp_path / "root" / "monai_diffdenoise"
    root.mkdir(parents=True)
    monkeypatch.setattr(bundle, "_PACKAGE", root)
    return root


def test_ns_n2n_is_found_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "ns_n2n" in bundle.available_bundles()
    root = Path(bundle.bundle_root("ns_n2n"))
    assert root.is_absolute()
    assert (root / "configs" / "metadata.json").is_file()


def test_wheel_holds_bundles_inside_the_package(package: Path) -> None:
    inside = _add_bundle(package / "bundles", "b")
    _add_bundle(package / "bundles", "a")
    (package / "bundles" / "not_a_bundle").mkdir()
    assert bundle.available_bundles() == ("a", "b")
    assert bundle.bundle_root("b") == str(inside)


def test_checkout_holds_bundles_beside_the_package(package: Path) -> None:
    beside = _add_bundle(package.parent / "bundles", "a")
    (package.parent / "setup.cfg").touch()
    assert bundle.bundle_root("a") == str(beside)


def test_foreign_bundles_in_site_packages_are_left_alone(package: Path) -> None:
    _add_bundle(package.parent / "bundles", "theirs")
    assert bundle.available_bundles() == ()


@pytest.mark.parametrize("name", ["ns-n2n", "", ".", "../bundles/a", "a/", "configs"])
def test_unknown_name_lists_what_there_is(package: Path, name: str) -> None:
    _add_bundle(package / "bundles", "a")
    with pytest.raises(InputError, match=r"this installation has: a\.$"):
        bundle.bundle_root(name)


def test_installation_without_bundles_says_so(package: Path) -> None:
    with pytest.raises(InputError, match="reinstall"):
        bundle.bundle_root("ns_n2n")

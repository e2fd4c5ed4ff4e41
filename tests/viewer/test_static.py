# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The copy of NiiVue that is shipped, and the page's own files."""

from __future__ import annotations

import configparser
import hashlib
import json
import re
from pathlib import Path

import pytest

import monai_diffdenoise.viewer as viewer

STATIC = Path(viewer.__file__).parent / "static"
OWN = [path for path in sorted(STATIC.iterdir()) if not path.name.startswith("niivue")]


def test_niivue_is_the_file_that_its_record_names() -> None:
    record = json.loads((STATIC / "niivue.json").read_text())
    assert hashlib.sha256((STATIC / "niivue.js").read_bytes()).hexdigest() == record["sha256"]
    assert b'version: "%b"' % record["version"].encode() in (STATIC / "niivue.js").read_bytes()


def test_its_licenses_come_along() -> None:
    assert "BSD 2-Clause" in (STATIC / "niivue-license.txt").read_text()
    bundled = (STATIC / "niivue-bundled-licenses.txt").read_text()
    assert json.loads((STATIC / "niivue.json").read_text())["version"] in bundled.splitlines()[0]
    for name in ("fflate", "gl-matrix", "nifti-reader-js", "numcodecs", "zarrita"):
        assert f"\n{name} (MIT)\n" in bundled


def test_every_file_is_package_data() -> None:
    config = configparser.ConfigParser()
    config.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")
    patterns = config["options.package_data"]["monai_diffdenoise.viewer"].split()
    shipped = {path for pattern in patterns for path in STATIC.parent.glob(pattern)}
    assert shipped == set(STATIC.iterdir())


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_own_files_are_short_say_whose_they_are_and_ask_nobody_else(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "Copyright (c) monai-diffdenoise contributors" in text[:200]
    assert len(text.splitlines()) <= 300
    assert not re.findall(r"https?:|//[a-z]+\.", text)


def test_every_element_the_scripts_ask_for_is_on_the_page() -> None:
    ids = set(re.findall(r'id="([^"]+)"', (STATIC / "index.html").read_text()))
    for path in OWN:
        if path.suffix == ".js":
            assert set(re.findall(r'\$\("([^"]+)"\)', path.read_text())) <= ids, path.name

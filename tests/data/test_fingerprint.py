# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.errors import InputError


def test_unchanged_file_passes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    Fingerprint.of(path).check()


@pytest.mark.parametrize("change", ["size", "time", "gone"])
def test_changed_file_is_noticed(tmp_path, change):
    path = tmp_path / "doe_john"
    path.write_bytes(b"abc")
    seen = Fingerprint.of(path)
    if change == "size":
        path.write_bytes(b"abcd")
    elif change == "time":
        os.utime(path, ns=(0, 0))
    else:
        path.unlink()
    with pytest.raises(InputError, match="slice 3") as caught:
        seen.check("slice 3")
    assert "doe" not in str(caught.value)

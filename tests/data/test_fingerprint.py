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


@pytest.mark.skipif(os.name == "nt", reason="POSIX files")
@pytest.mark.parametrize("kind", ["folder", "pipe", "null", "missing", "loop"])
def test_only_plain_files(tmp_path, kind):
    path = tmp_path / "a"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "null":
        path = tmp_path / "a\0b"
    with pytest.raises(InputError, match=r"cannot read .*expected a"):
        Fingerprint.of(path)


def test_replaced_file_of_the_same_size_is_noticed(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"abc")
    seen = Fingerprint.of(path)
    other.write_bytes(b"xyz")
    os.utime(other, ns=(seen.changed_ns + 1,) * 2)
    other.replace(path)
    with pytest.raises(InputError, match="changed since"):
        seen.check()

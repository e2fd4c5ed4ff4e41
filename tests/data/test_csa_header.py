# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import random
import warnings
from pathlib import Path

import nibabel
import pytest

from monai_diffdenoise.data.csa_header import read_csa

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # nibabel calls its DICOM readers experimental
    from nibabel.nicom import csareader


def test_values_come_back(write_csa):
    values = {"SliceNormalVector": ["0.0", "-0.5", "1.0"], "NumberOfImagesInMosaic": ["35"], "Empty": []}
    assert read_csa(write_csa(values)) == values
    theirs = csareader.read(write_csa(values))["tags"]
    assert {name: [str(value) for value in tag["items"]] for name, tag in theirs.items()} == values


@pytest.mark.parametrize("name", ["csa2_b0.bin", "csa2_b1000.bin", "csa2_zero_len.bin.gz", "csa_str_valid.bin"])
def test_nibabels_samples_read_as_nibabel_reads_them(name):
    path = Path(nibabel.__file__).parent / "nicom" / "tests" / "data" / name
    if not path.exists():
        pytest.skip("this nibabel comes without its samples")
    raw = gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_bytes()
    ours, theirs = read_csa(raw), csareader.read(raw)["tags"]
    assert ours.keys() == theirs.keys()
    for key, texts in ours.items():
        expected = [item for item in theirs[key]["items"] if item != ""]
        assert len(texts) == len(expected)
        for text, item in zip(texts, expected, strict=True):
            assert text == item.strip() if isinstance(item, str) else float(text) == item


def test_what_is_no_header_is_empty(write_csa):
    for raw in (b"", b"SV10", b"SV10" + b"\xff" * 8, b"\0" * 200, write_csa({"A": ["1"]})[:-40]):
        assert read_csa(raw) == {}


def test_any_damage_ends_in_a_dictionary(write_csa):
    rng, raw = random.Random(0), write_csa({"SliceNormalVector": ["0.0", "-0.5", "1.0"], "B": ["35"]})
    for _ in range(3000):
        damaged = bytearray(raw)
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        assert isinstance(read_csa(bytes(damaged)), dict)
